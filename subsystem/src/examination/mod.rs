//! Whether sessions can live on this computer, and how long: what the relay finds when a client
//! examines a host. Each file looks at one thing, by doing what a session would do.

mod account;
mod answer;
mod directory;
mod durability;
mod logind;
mod population;
mod shells;
mod space;
mod terminals;

use outlast_protocol::finding::Finding;

pub(crate) use durability::Lifetime;

/// Looks at everything. What cannot be looked at without a directory for sessions is left out
/// where there is none.
#[must_use]
pub fn examine() -> Vec<Finding> {
    let mut findings = vec![account::examine()];
    let (registry, directory) = directory::examine();
    findings.push(directory);
    if let Some(registry) = &registry {
        findings.push(space::examine(registry));
        findings.push(population::examine(registry));
    }
    findings.push(shells::examine());
    findings.push(terminals::examine());
    findings.push(durability::examine());
    findings
}

/// Sentences that all may be true at once, one behind the other.
fn sentences(parts: &[String]) -> String {
    parts.join("; ")
}
