//! bash's own test scripts: they come with the source package of the bash that is installed, and
//! are never part of this repository.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::script::Script;
use crate::cargo::{capture, run};
use crate::failure::{Context as _, Failure};

/// Programs the scripts call, which are in the same source package.
const INSTRUMENTS: [&str; 4] = ["printenv", "recho", "xcase", "zecho"];
/// What `configure` would find out on any Linux.
const LANGUAGE: [&str; 5] = [
    "-w",
    "-std=gnu89",
    "-DHAVE_STDLIB_H",
    "-DHAVE_STRING_H",
    "-DHAVE_UNISTD_H",
];
/// Where the tests are in the sandbox.
pub(crate) const TESTS: &str = "/suite/tests";

/// Fetches and builds what is not there yet. Says where it is: `tests` and `bin`.
pub(crate) fn prepare(directory: &Path) -> Result<PathBuf, Failure> {
    let version = version()?;
    let suite = directory.join(format!("bash-{version}"));
    if suite.join("complete").is_file() {
        return Ok(suite);
    }
    let doing = "preparing bash's tests";
    let apt = directory.join("apt");
    std::fs::create_dir_all(&apt).context(doing)?;
    let archive = fetch(&apt, &version)?;
    if suite.exists() {
        std::fs::remove_dir_all(&suite).context(doing)?;
    }
    std::fs::create_dir_all(suite.join("bin")).context(doing)?;
    let mut tar = Command::new("tar");
    tar.arg("--strip-components=1").arg("-xf").arg(&archive);
    run(tar.arg("-C").arg(&suite))?;
    for name in INSTRUMENTS {
        let source = suite.join("support").join(name).with_extension("c");
        let mut cc = Command::new("cc");
        // They are older than the language's present rules.
        cc.args(LANGUAGE).arg("-I").arg(&suite).arg("-o");
        run(cc.arg(suite.join("bin").join(name)).arg(source))?;
    }
    std::fs::write(suite.join("complete"), version).context(doing)?;
    Ok(suite)
}

/// The source version of the installed package.
fn version() -> Result<String, Failure> {
    let mut query = Command::new("dpkg-query");
    let said = capture(query.args(["-W", "-f", "${source:Version}", "bash"]))?;
    Ok(said.trim().to_owned())
}

/// The original source, by apt, from the machine's own archives and with its keys. Nothing of the
/// machine's is changed: the lists are ours.
fn fetch(apt: &Path, version: &str) -> Result<PathBuf, Failure> {
    let doing = "asking for source packages";
    let sources = sources()?;
    if sources.is_empty() {
        return Err(Failure::new(
            "this machine's apt knows no archive of packages",
        ));
    }
    std::fs::write(apt.join("own.sources"), sources).context(doing)?;
    for name in ["lists/partial", "archives/partial"] {
        std::fs::create_dir_all(apt.join(name)).context(doing)?;
    }
    run(apt_get(apt).arg("update"))?;
    let package = format!("bash={version}");
    run(apt_get(apt).args(["source", "--download-only", &package]))?;
    let entries = std::fs::read_dir(apt).context(doing)?;
    let mut names = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let upstream = version.split('-').next().unwrap_or(version);
    let start = format!("bash_{upstream}.orig.tar");
    let archive = names.find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&start) && !name.ends_with(".asc")
    });
    archive.ok_or_else(|| Failure::new("the source package has no original archive"))
}

fn apt_get(apt: &Path) -> Command {
    let mut command = Command::new("apt-get");
    let ours = apt.display();
    for option in [
        format!("Dir::Etc::SourceList={ours}/own.sources"),
        "Dir::Etc::SourceParts=/dev/null".to_owned(),
        format!("Dir::State::Lists={ours}/lists"),
        format!("Dir::Cache={ours}"),
        // Root's own directories are not open to the user that apt would fetch with.
        "APT::Sandbox::User=root".to_owned(),
        "Acquire::http::Timeout=20".to_owned(),
        "Acquire::https::Timeout=20".to_owned(),
        "Acquire::Retries=0".to_owned(),
    ] {
        command.arg("-o").arg(option);
    }
    command.arg("-q").current_dir(apt);
    command
}

/// The machine's sources of packages, as sources of source packages.
fn sources() -> Result<String, Failure> {
    let mut all = String::new();
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = std::fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    files.sort();
    for file in files {
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        match file.extension().and_then(|it| it.to_str()) {
            Some("sources") => all.push_str(&for_source(&text)),
            Some("list") => all.extend(text.lines().filter_map(stanza)),
            _ => {}
        }
    }
    Ok(all)
}

/// A file in apt's newer form, with source packages for types.
fn for_source(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let lines = lines.map(|line| match line.split_once(':') {
        Some((name, _)) if name.eq_ignore_ascii_case("types") => "Types: deb-src",
        _ => line,
    });
    let text: Vec<&str> = lines.collect();
    format!("{}\n\n", text.join("\n"))
}

/// A line of the older form, in the newer one.
fn stanza(line: &str) -> Option<String> {
    let mut rest = line.trim().strip_prefix("deb ")?.trim();
    let mut signed = String::new();
    if let Some(options) = rest.strip_prefix('[') {
        let (options, after) = options.split_once(']')?;
        rest = after.trim();
        for option in options.split_whitespace() {
            if let Some(key) = option.strip_prefix("signed-by=") {
                signed = format!("Signed-By: {key}\n");
            }
        }
    }
    let mut words = rest.split_whitespace();
    let (uri, suite) = (words.next()?, words.next()?);
    let components: Vec<&str> = words.take_while(|it| !it.starts_with('#')).collect();
    let components = match components.as_slice() {
        [] => String::new(),
        some => format!("Components: {}\n", some.join(" ")),
    };
    Some(format!(
        "Types: deb-src\nURIs: {uri}\nSuites: {suite}\n{components}{signed}\n"
    ))
}

/// The tests, and then the parts that they call, which are scripts as well.
pub(crate) fn scripts(suite: &Path) -> Result<Vec<Script>, Failure> {
    let entries = std::fs::read_dir(suite.join("tests")).context("listing bash's tests")?;
    let mut names: Vec<PathBuf> = entries
        .filter_map(|entry| Some(PathBuf::from(entry.ok()?.file_name())))
        .filter(|name| {
            name.extension()
                .is_some_and(|it| it == "tests" || it == "sub")
        })
        .collect();
    names.sort();
    let scripts = names.into_iter().map(|name| Script {
        corpus: "bash",
        first: name.extension().is_some_and(|it| it == "tests"),
        path: Path::new(".").join(name),
        arguments: Vec::new(),
        directory: Path::new(TESTS),
    });
    Ok(scripts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_sources_become_sources_of_source() {
        let new = "# comment\nTypes: deb\nURIs: http://a/b\nSuites: x y\n\nTypes: deb deb-src\n";
        let text = "Types: deb-src\nURIs: http://a/b\nSuites: x y\n\nTypes: deb-src\n\n";
        assert_eq!(for_source(new), text);
        let old = "deb [arch=amd64 signed-by=/k.gpg] http://a/b x main contrib # why";
        let text = "Types: deb-src\nURIs: http://a/b\nSuites: x\nComponents: main contrib\nSigned-By: /k.gpg\n\n";
        assert_eq!(stanza(old).as_deref(), Some(text));
        assert_eq!(stanza("deb-src http://a/b x main"), None);
        assert_eq!(stanza("# deb http://a/b x main"), None);
    }
}
