//! What one invocation leaves for the next.

use super::case::{Case, case};
use super::column::Column;
use super::step::run;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = values();
    cases.extend(settings());
    cases
}

fn values() -> Vec<Case> {
    vec![
        case(
            "variables",
            [
                run("x=5; y='a b\nc'"),
                run("echo \"$x $y\"").out("5 a b\nc\n"),
            ],
        ),
        case(
            "exported variables and others",
            [
                run("export E=1; n=2"),
                run("sh -c 'echo ${E-unset} ${n-unset}'; echo $n").out("1 unset\n2\n"),
            ],
        ),
        case(
            "arrays",
            [
                run("list=(1 '2 3' ''); list+=(4)"),
                run("echo \"${#list[@]} ${list[@]:1:1}\"").out("4 2 3\n"),
            ],
        )
        .not_in_sh("there are none in a POSIX shell"),
        case(
            "associative arrays",
            [
                run("declare -A map=([k]=v); map[two]='a b'"),
                run("echo \"${map[k]} ${map[two]} ${#map[@]}\"").out("v a b 2\n"),
            ],
        )
        .not_in_sh("there are none in a POSIX shell"),
        case(
            "integers and read-only variables",
            [
                run("declare -i n=4; readonly r=9"),
                run("n+=1; echo $n $r").out("5 9\n"),
                run("(r=1) 2>/dev/null || echo refused").out("refused\n"),
            ],
        )
        .in_sh(|| {
            [
                run("readonly r=9"),
                run("(r=1) 2>/dev/null || echo refused; echo $r").out("refused\n9\n"),
            ]
        }),
        case(
            "positional parameters",
            [
                run("set -- a 'b c'"),
                run("echo \"$# $2\"").out("2 b c\n"),
                run("shift"),
                run("echo \"$# $1\"").out("1 b c\n"),
            ],
        ),
        case(
            "functions",
            [
                run("f() { local y=2; echo \"f $1 $y\"; x=3; }"),
                run("f a; echo $x ${y-none}").out("f a 2\n3 none\n"),
            ],
        ),
        case(
            "aliases",
            [
                run("alias greet='echo hello'"),
                run("greet you").out("hello you\n"),
                run("unalias greet"),
                run("greet you").code(127).any_err(),
            ],
        ),
        case(
            "the process itself",
            [run("echo $$").out("{pid}\n"), run("echo $$").out("{pid}\n")],
        ),
    ]
}

fn settings() -> Vec<Case> {
    vec![
        case(
            "options",
            [
                run("set -f; set -o pipefail"),
                run("echo /*; false | true").out("/*\n").code(1),
                run("set +f +o pipefail"),
                run("false | true; echo $?").out("0\n"),
            ],
        )
        .on(
            Column::Dash,
            [
                run("set -f"),
                run("echo /*; set +f").out("/*\n"),
                run("echo /us*").out("/usr\n"),
            ],
        )
        .on(
            Column::Zsh,
            [
                run("setopt noglob pipefail extendedglob"),
                run("echo /*; false | true").out("/*\n").code(1),
                run("unsetopt noglob pipefail; [[ -o extendedglob ]]"),
                run("false | true; echo $?").out("0\n"),
            ],
        ),
        case(
            "traps",
            [
                run("trap 'echo usr1' USR1"),
                run("kill -USR1 $$; :").out("usr1\n"),
                run("trap - USR1"),
            ],
        ),
        case(
            "the working directory",
            [
                run("cd /usr/bin"),
                run("pwd; cd ..").out("/usr/bin\n"),
                run("pwd; echo $OLDPWD").out("/usr\n/usr/bin\n"),
            ],
        ),
        case(
            "the umask",
            [run("umask 027"), run("sh -c umask").out("0027\n")],
        ),
        case(
            "resource limits",
            [
                run("ulimit -n 200"),
                run("ulimit -n; sh -c 'ulimit -n'").out("200\n200\n"),
            ],
        ),
        case(
            "open descriptors",
            [
                run("exec 5>out"),
                run("echo one >&5; sh -c 'echo two >&5'"),
                run("exec 5>&-; cat out").out("one\ntwo\n"),
            ],
        ),
        case(
            "an open descriptor to read from",
            [
                run("printf '1\\n2\\n' >in; exec 6<in"),
                run("read -r a <&6; echo $a").out("1\n"),
                run("read -r a <&6; echo $a; exec 6<&-").out("2\n"),
            ],
        ),
        case(
            "the status of the last command",
            [run("(exit 3)").code(3), run("true"), run("false").code(1)],
        ),
    ]
}
