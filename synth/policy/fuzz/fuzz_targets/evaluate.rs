//! The fuzz target `evaluate`; without a fuzzer it feeds the files that are named to the same body.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| netwright_policy_fuzz::evaluate::run(data));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    netwright_policy_fuzz::replay::arguments(netwright_policy_fuzz::evaluate::run)
}
