//! What is kept of a round that went wrong.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use outlast_tests::process;

use crate::actor::Actor;
use crate::plan::Plan;
use crate::stage::Stage;

/// Copies everything there is to look at; the directory, as text.
pub(crate) fn keep(plan: &Plan, stage: &Stage, actors: &[Actor<'_>], why: &str) -> String {
    let kept = std::env::temp_dir().join(format!("outlast-chaos.seed-{}", plan.seed));
    let _ = fs::remove_dir_all(&kept);
    let write = |name: &str, bytes: &[u8]| {
        let path = kept.join(name);
        let _ = path.parent().map(fs::create_dir_all);
        let _ = fs::write(path, bytes);
    };
    write("violation.txt", why.as_bytes());
    write("plan.txt", format!("{plan:#?}\n").as_bytes());
    write("processes.txt", processes(stage).as_bytes());
    write("sshd.log", stage.sshd.log_text().as_bytes());
    copy(&stage.sshd.session_dir(), &kept.join("sessions"));
    for (at, machine) in stage.machines.iter().enumerate() {
        let name = kept.join(format!("machine-{at}"));
        copy(&machine.client.outlast_home(), &name.join("client"));
        copy(&stage.local_sessions(at), &name.join("sessions"));
    }
    for actor in actors {
        let name = &actor.plan.name;
        let ledger = fs::read(stage.ledger(name)).unwrap_or_default();
        write(&format!("{name}/ledger"), &ledger);
        for (at, delivery) in actor.deliveries.iter().enumerate() {
            let output = &delivery.output;
            let head = format!(
                "machine {}, {}, killed: {}, from {:?} to {:?}\n$ {}\n",
                delivery.machine,
                output.status,
                delivery.killed,
                delivery.begun,
                delivery.ended,
                output.command
            );
            write(&format!("{name}/delivery-{at}.txt"), head.as_bytes());
            write(&format!("{name}/delivery-{at}.stdout"), &output.stdout);
            write(&format!("{name}/delivery-{at}.stderr"), &output.stderr);
        }
    }
    kept.display().to_string()
}

fn processes(stage: &Stage) -> String {
    let mut text = String::new();
    let mut all = stage.sshd.hosts();
    all.extend(stage.sshd.relays());
    for machine in &stage.machines {
        all.extend(machine.client.processes());
    }
    for process in all {
        let _ = writeln!(text, "{} {}", process.pid, process.command);
        for below in process::descendants_of(process.pid) {
            let _ = writeln!(text, "    {} {}", below.pid, below.command);
        }
        for file in ["status", "wchan", "syscall"] {
            let path = format!("/proc/{}/{file}", process.pid);
            let _ = writeln!(text, "{}", fs::read_to_string(path).unwrap_or_default());
        }
    }
    text
}

/// Regular files alone: reading a FIFO would wait for ever.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        let target = to.join(entry.file_name());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => copy(&entry.path(), &target),
            Ok(kind) if kind.is_file() => {
                let _ = fs::create_dir_all(to);
                let _ = fs::copy(entry.path(), target);
            }
            _ => {}
        }
    }
}
