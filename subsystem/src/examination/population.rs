//! The sessions there are.

use outlast_protocol::finding::{Finding, Verdict};

use crate::registry::{HostState, Registry};

const LAYER: &str = "sessions";

pub(super) fn examine(registry: &Registry) -> Finding {
    let instances = match registry.instances() {
        Ok(instances) => instances,
        Err(error) => return Finding::new(LAYER, Verdict::Bad, error.to_string()),
    };
    let (mut live, mut broken) = (0, 0);
    for instance in instances {
        let Ok(entry) = registry.entry(instance) else {
            continue;
        };
        let over = entry.meta().is_ok_and(|meta| !meta.life.is_live());
        match entry.host() {
            HostState::Lives => live += 1,
            _ if over => {}
            _ => broken += 1,
        }
    }
    judge(live, broken)
}

fn judge(live: usize, broken: usize) -> Finding {
    let finding = |verdict, text| {
        Finding::new(LAYER, verdict, text)
            .value("live", live)
            .value("broken", broken)
    };
    if broken == 0 {
        return finding(Verdict::Good, format!("{live} live"));
    }
    finding(
        Verdict::Doubtful,
        format!("{live} live, {broken} whose host process is gone"),
    )
    .hint("`outlast get HOST` says why; `outlast receive` reads them, `outlast remove` clears them away")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_sessions_are_pointed_at() {
        assert_eq!(judge(3, 0).verdict, Verdict::Good);
        let broken = judge(3, 1);
        assert_eq!(broken.verdict, Verdict::Doubtful);
        assert!(broken.hint.contains("receive"), "{broken:?}");
    }
}
