//! `outlast config`: what is set, and who says so.

use std::fs;

use outlast_tests::{ClientMachine, Running};

use crate::stage::{command, one_error, run};

#[test]
fn every_setting_is_told_with_its_origin() {
    let machine = ClientMachine::new();
    let file = machine.outlast_home().join("config.toml");
    fs::create_dir_all(machine.outlast_home()).unwrap();
    fs::write(&file, "[host.\"db*\"]\ntransport = \"openssh\"\n").unwrap();
    let place = file.display();
    let shown = run(&machine, &["config", "show", "--origin"]);
    shown.success();
    for line in [
        format!("config-file = {place}  (environment variable OUTLAST_HOME)\n"),
        "detach-keys = ctrl-\\,d  (default)\n".to_owned(),
        "mux-idle-seconds = 600  (default)\n".to_owned(),
        format!("host.\"db*\".transport = openssh  ({place}:2)\n"),
    ] {
        shown.stdout_has(&line);
    }
    let mut with = command(&machine, &["config", "show"]);
    let with = Running::start(with.env("OUTLAST_DETACH_KEYS", "ctrl-p,ctrl-q")).wait();
    with.success().stdout_has("detach-keys = ctrl-p,ctrl-q\n");
    run(&machine, &["config", "show", "ada@DB1:22,web", "--origin"])
        .success()
        .stdout_is(&format!(
            "ada@DB1:22: transport = openssh  ({place}:2)\nweb: transport = native  (default)\n"
        ));
    let json = run(&machine, &["config", "show", "db1", "--output", "json"]).json();
    assert_eq!(
        json,
        serde_json::json!([{
            "computer_name": "db1",
            "name": "transport",
            "value": "openssh",
            "origin": format!("{place}:2"),
        }])
    );
    fs::write(&file, "\n[host.x]\ntransprot = \"openssh\"\n").unwrap();
    let says = ["config.toml:3:", "`transprot`"];
    one_error(&run(&machine, &["config", "show"]), 2, &says, "`transport`");
    assert_eq!(
        machine.processes(),
        [],
        "none of it needs a background process"
    );
}
