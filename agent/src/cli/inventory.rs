//! Reads the inventory file that `--inventory` names.

use anyhow::Context as _;
use netwright_record::Time;
use netwright_record::inventory::Inventory;
use netwright_resolve::inventory::read_kubectl;
use std::fs;
use std::path::Path;

/// What prints an inventory, for help texts and errors.
pub(super) const COMMAND: &str = "kubectl get ns,nodes,pods,svc,endpointslices,deploy,sts,ds,rs,jobs,cronjobs,netpol,apiservices,\
    validatingwebhookconfigurations,mutatingwebhookconfigurations -A -o yaml";

/// Reads it; warnings are logged.
pub(super) fn read(path: &Path) -> anyhow::Result<Inventory> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the inventory {}; `{COMMAND}` prints one", path.display()))?;
    let (inventory, warnings) = read_kubectl(&text, &path.display().to_string(), Time::now())?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(inventory)
}
