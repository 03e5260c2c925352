//! Shows that a sandbox holds, before anything runs in it that is not ours.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::sandbox::{Order, Sandbox};
use crate::failure::{Context as _, Failure};

/// Tries to get out, and says each way that is open. It gets the number of a process outside, a
/// directory outside, and this machine's name.
const ATTEMPTS: &str = r#"
open() { echo "open: $1"; }
kill -9 "$1" 2>/dev/null && open "killing a process outside"
[ -e "$2" ] && open "a directory outside is there"
for file in /etc/outlast-sample /usr/bin/outlast-sample /var/outlast-sample /outlast-sample; do
  echo >"$file" 2>/dev/null
done
chmod 000 /dev/null 2>/dev/null && open "changing a device"
mknod /tmp/disk b 8 0 2>/dev/null && open "making a device"
mount -t tmpfs none /mnt 2>/dev/null && open "mounting"
umount -l /proc/sys 2>/dev/null && open "unmounting"
unshare --mount true 2>/dev/null && open "new namespaces by right"
hostname "outlast-sample" 2>/dev/null && open "renaming the machine"
date -s @0 >/dev/null 2>&1 && open "setting the clock"
{ echo 1 >/proc/sys/kernel/printk; } 2>/dev/null && open "the kernel's settings"
{ echo h >/proc/sysrq-trigger; } 2>/dev/null && open "the kernel's keys"
[ -z "$(ls /sys)" ] || open "devices' settings"
for device in /dev/*; do
  case $device in
    /dev/fd | /dev/full | /dev/null | /dev/ptmx | /dev/pts | /dev/random | /dev/shm | /dev/std* | /dev/tty | /dev/urandom | /dev/zero) ;;
    *) open "$device" ;;
  esac
done
while read -r interface _; do
  case $interface in lo:) open "a network" ;; esac
done </proc/net/route
[ "$(grep -c : /proc/net/dev)" = 1 ] || open "a network"
while read -r name set; do
  case $name in Cap*) [ "$set" = 0000000000000000 ] || open "$name $set" ;; esac
  case $name in NoNewPrivs:) [ "$set" = 1 ] || open "new privileges" ;; esac
done </proc/self/status
sleep 1000 >/dev/null 2>&1 &
echo tried
"#;

/// Says what is not as it should be: there is no sandbox on this machine, or it does not hold.
pub(crate) fn prove(sandbox: &Sandbox) -> Result<Result<(), String>, Failure> {
    let doing = "proving the sandbox";
    let outside = std::env::current_exe().context(doing)?;
    let outside = outside.parent().unwrap_or(Path::new("/nowhere")).to_owned();
    let mode = || std::fs::metadata("/dev/null").map(|it| it.mode());
    let before = (mode().context(doing)?, name()?);
    let mut canary = Canary::hatch()?;
    let words = [
        "sh",
        "-c",
        ATTEMPTS,
        "sh",
        &canary.0.id().to_string(),
        &outside.to_string_lossy(),
    ];
    let tried = sandbox.run(&Order {
        command: words.map(str::to_owned).to_vec(),
        directory: "/",
        with_suite: true,
        first: 1000,
    });
    let run = match tried {
        Ok(run) => run,
        Err(failure) => return Ok(Err(failure.to_string())),
    };
    let said = String::from_utf8_lossy(&run.stdout);
    let mut holes: Vec<String> = said
        .lines()
        .filter(|line| line.starts_with("open: "))
        .map(str::to_owned)
        .collect();
    if !said.ends_with("tried\n") {
        let error = String::from_utf8_lossy(&run.stderr);
        return Ok(Err(format!(
            "nothing runs in the sandbox here: {}",
            error.trim()
        )));
    }
    for place in ["/etc", "/usr/bin", "/var", "/"] {
        if Path::new(place).join("outlast-sample").exists() {
            holes.push(format!("open: writing to {place}"));
        }
    }
    if canary.0.try_wait().context(doing)?.is_some() {
        holes.push("open: a process outside was killed".to_owned());
    }
    if (mode().context(doing)?, name()?) != before {
        holes.push("open: something of the machine's has changed".to_owned());
    }
    match holes.as_slice() {
        [] => Ok(Ok(())),
        // Not only not run: this must not go unseen.
        holes => Err(Failure::new(format!(
            "the sandbox does not hold: {}",
            holes.join(", ")
        ))),
    }
}

fn name() -> Result<String, Failure> {
    std::fs::read_to_string("/proc/sys/kernel/hostname").context("reading the machine's name")
}

/// A process outside that has to live on.
struct Canary(Child);

impl Canary {
    fn hatch() -> Result<Self, Failure> {
        let mut sleep = Command::new("sleep");
        let sleep = sleep.arg("1000").stdin(Stdio::null()).spawn();
        Ok(Self(sleep.context("running sleep")?))
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
