//! What the agent and the collector share as long-running services: configuration, health, metrics, logs, signals.
