//! Variables and functions that an invocation or a visitor is lent.

use outlast_protocol::outcome::ExitStatus::Code;
use outlast_subsystem::runspace::{Command, Environment};

use super::super::column::Column;
use super::{Played, visitor};

fn lent(pairs: &[(&[u8], &[u8])]) -> Environment {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| (name.to_vec(), value.to_vec()))
        .collect()
}

const ODD: &[u8] = b"new 'quoted'\n$(false) \xff";

pub(super) async fn what_is_lent_is_given_back(column: Column) -> Played {
    let mut it = visitor(column).await;
    it.runs(column.says(
        "A=old; N=5; export E=mine",
        "os.environ.update(A='old', E='mine')",
    ))
    .await;
    let show = "printf \"%s|\" \"$A\" \"$N\" \"$B\" \"${E-unset}\"";
    let script = column.says(
        "sh -c 'printf \"%s|\" \"$A\" \"$N\" \"$B\" \"${E-unset}\"'; A=changed",
        "end = os.system(show); os.environ['A'] = 'changed'",
    );
    it.runs(column.says(":", &format!("show = {show:?}"))).await;
    let mut spec = it.spec(Command::Script(script.into()));
    spec.environment = lent(&[(b"A", ODD), (b"N", b"7"), (b"B", b""), (b"E", b"it's")]);
    let ran = it.bench.run_spec(&spec).await;
    assert_eq!(ran.stdout, [ODD, b"|7||it's|"].concat(), "{ran:?}");
    let after = column.says(
        "echo $A $N ${B-unset}; sh -c 'echo $E ${A-unset} ${B-unset}'",
        "end = os.system('echo $A ${N-unset} ${B-unset}; echo $E')",
    );
    let kept = column.says("old 5 unset\nmine unset unset\n", "old unset unset\nmine\n");
    assert_eq!(it.runs(after).await, kept);
    let mut spec = it.spec(Command::Argv(
        [&b"sh"[..], b"-c", b"printf %s \"$A\""]
            .map(<[u8]>::to_vec)
            .to_vec(),
    ));
    spec.environment = lent(&[(b"A", ODD)]);
    assert_eq!(it.bench.run_spec(&spec).await.stdout, ODD);
    it.bench.close().await;
    Ok(())
}

pub(super) async fn functions_are_lent_too(column: Column) -> Played {
    match column {
        Column::Bash | Column::Zsh => {}
        Column::Dash | Column::Busybox => return Err("functions in the environment are bash's"),
        Column::Python => return Err("functions of a shell mean nothing to it"),
    }
    let mut it = visitor(column).await;
    it.runs("declare -i N=5; g() { echo own; }").await;
    let mut spec = it.spec(Command::Script(b"echo $N; g; h".to_vec()));
    spec.environment = lent(&[
        (b"N", b"7"),
        (b"BASH_FUNC_g%%", b"() {  echo \"lent $1\"\n}"),
        (b"BASH_FUNC_h%%", b"() {  echo lent h\n}"),
    ]);
    let ran = it.bench.run_spec(&spec).await;
    assert_eq!(ran.stdout, b"7\nlent \nlent h\n", "{ran:?}");
    let after = match column {
        Column::Bash => "echo ${N@a} $N; g; declare -F h || echo gone",
        _ => "[[ ${(t)N} != integer ]] || echo i $N; g; functions h || echo gone",
    };
    assert_eq!(it.runs(after).await, "i 5\nown\ngone\n");
    it.bench.close().await;
    Ok(())
}

pub(super) async fn what_cannot_be_lent_ends_the_invocation(column: Column) -> Played {
    let mut it = visitor(column).await;
    if let Column::Python = column {
        let mut spec = it.spec(Command::Script(b"None".to_vec()));
        spec.environment = lent(&[(b"a=b", b"2")]);
        let error = it.bench.runspace.start(&spec).unwrap_err();
        assert_eq!(error.to_string(), "\"a=b\" is not the name of a variable");
        it.bench.close().await;
        return Ok(());
    }
    it.runs("readonly R=1").await;
    let mut spec = it.spec(Command::Argv(vec![b"true".to_vec()]));
    spec.environment = lent(&[(b"R", b"2")]);
    let ran = it.bench.run_spec(&spec).await;
    assert_eq!(ran.status, Code(1));
    let says = match column {
        Column::Dash | Column::Busybox => "sh: cannot set the read-only variable R\n",
        _ => "R is a read-only variable\n",
    };
    assert_eq!(ran.err(), says);
    assert_eq!(it.runs("echo $R").await, "1\n");
    let mut spec = it.spec(Command::Script(b"true".to_vec()));
    spec.environment = lent(&[(b"a b", b"2")]);
    let error = it.bench.runspace.start(&spec).unwrap_err();
    assert_eq!(error.to_string(), "\"a b\" is not the name of a variable");
    it.bench.close().await;
    Ok(())
}

pub(super) async fn a_visitor_is_lent_it_for_the_visit(column: Column) -> Played {
    let mut it = visitor(column).await;
    it.visit_with(&lent(&[(b"A", b"lent")]));
    for _ in 0..2 {
        it.prompt().await;
        it.types(column.says(
            "sh -c 'echo \"<$A>\"'\r",
            "print(f\"<{os.environ['A']}>\")\r",
        ))
        .await;
        it.sees_line("<lent>").await;
    }
    it.prompt().await;
    it.types(column.says("exit\r", "exit()\r")).await;
    assert_eq!(it.is_gone().await, Code(0));
    let after = column.says("echo ${A-unset}", "print(os.environ.get('A', 'unset'))");
    assert_eq!(it.runs(after).await, "unset\n");
    it.bench.close().await;
    Ok(())
}
