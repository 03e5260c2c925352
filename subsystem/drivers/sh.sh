# Outlast's driver for the POSIX shells dash and busybox ash: the host runs invocations in this
# shell, one after the other. The loop that does is in `sh.loop.sh`.
#
# These shells have no hook at their prompt, so they never come to one: they are not interactive,
# and the driver is a loop.
#
# An error (`set -u`, `${x:?}`, syntax) is caught by `command .`, and by an error of our own
# making `exit` unwinds functions and loops: the shell stays what it is. Only what cannot be
# caught (`set -e`, `\exit`, an `exec` that fails) ends the process. Its last act, the EXIT trap,
# is then to go on in a copy of itself, which has all but the job table, and to wait for that.
#
# Job control is on in visits only: with it, dash tells of jobs on the standard error of scripts
# and forgets them. So background jobs of scripts ignore ^C, as scripts' do.
#
# Nothing stays open between uses: children see descriptors 0, 1 and 2 only. What the driver
# writes to is opened with `<>`, which does not wait for a reader: the host may be gone.

__outlast_tell() { command printf '%s\n' "$1" 1<>"$__outlast_dir/status"; }

# The process that this is: `$$` says the same in a copy of the shell.
__outlast_me() { IFS=' ' command read -r __outlast_self __outlast_rest </proc/self/stat; }
__outlast_is_driver() { __outlast_me; [ "$__outlast_self" = "$__outlast_pid" ]; }

# Ends the running invocation with status $1: an error unwinds all that `command .` began.
__outlast_leave() {
  __outlast_exit=$1
  __outlast_throw
}

__outlast_throw() {
  # Or the error would end the process.
  __outlast_was=$__outlast_was$-
  set +e
  { : "${__outlast_never:?}"; } 2>/dev/null
}

# `exit` ends the invocation, not the session. In a copy of the shell it is the real one.
__outlast_exit() {
  __outlast_last=$?
  case $- in *x*) { __outlast_was=x; set +x; } 2>/dev/null ;; esac
  if ! __outlast_is_driver || [ -z "$__outlast_running" ]; then
    if [ "$#" -gt 0 ]; then command exit "$1"; fi
    command exit "$__outlast_last"
  fi
  if [ "$#" -eq 0 ]; then set -- "$__outlast_last"; fi
  case $1 in
    *[!0-9]* | '')
      command printf '%s: exit: Illegal number: %s\n' "$0" "$1" >&2
      __outlast_last=2 ;;
    *) __outlast_last=$(($1 & 255)) ;;
  esac
  __outlast_leave "$__outlast_last"
}

# An EXIT trap of the user's waits for the real end of the shell, and where there would be no
# trap, there is ours. In a copy of the shell it is the real one.
__outlast_trap() {
  if [ "$#" -eq 0 ]; then __outlast_list_traps; return; fi
  if ! __outlast_is_driver; then command trap "$@"; return; fi
  case $1 in -[a-z]*) command trap "$@"; return ;; --) shift ;; esac
  local action=-
  case $1 in
    *[!0-9]* | '') if [ "$#" -gt 1 ]; then action=$1; shift; fi ;;
  esac
  local status=0
  while [ "$#" -gt 0 ]; do
    case $1:$action in
      0:- | EXIT:- | exit:-) __outlast_farewell= ;;
      0:* | EXIT:* | exit:*) __outlast_farewell=$action ;;
      2:- | INT:- | int:- | SIGINT:-) command trap __outlast_pressed INT ;;
      15:- | TERM:- | term:- | SIGTERM:-) command trap __outlast_spared TERM ;;
      1:- | HUP:- | hup:- | SIGHUP:-) command trap __outlast_hung_up HUP ;;
      *) command trap -- "$action" "$1" || status=$? ;;
    esac
    shift
  done
  return "$status"
}

__outlast_list_traps() {
  if ! __outlast_is_driver; then command trap; return; fi
  [ -z "$__outlast_farewell" ] ||
    { command alias __outlast_q="$__outlast_farewell" && __outlast_quoted=$(command alias __outlast_q) &&
      command unalias __outlast_q && command printf 'trap -- %s EXIT\n' "${__outlast_quoted#*=}"; }
  command trap >|"$__outlast_dir/traps"
  while IFS= command read -r __outlast_line; do
    case $__outlast_line in
      *__outlast_spared*TERM | *__outlast_pressed*INT | *__outlast_hung_up*HUP | *__outlast_killed* | *__outlast_recalled* | *__outlast_bye*) ;;
      *) command printf '%s\n' "$__outlast_line" ;;
    esac
  done <"$__outlast_dir/traps"
  command rm -f "$__outlast_dir/traps"
}

# ^C. At the prompt of a visit it drops the line, and before that there is nothing to end.
__outlast_pressed() {
  if __outlast_is_driver && [ -n "$__outlast_running" ]; then
    if [ -n "$__outlast_reading" ]; then
      __outlast_reading=dropped
    elif [ -z "$__outlast_visiting" ]; then
      __outlast_leave 130
    elif [ -n "$__outlast_inside" ]; then
      # It ends what was typed, and not the visit.
      __outlast_broken=130
      __outlast_throw
    fi
  fi
}

# The host's last resort, on a signal that nobody uses (STKFLT, which has no name here): it also
# ends what ignores SIGINT.
__outlast_killed() {
  if __outlast_is_driver && [ -n "$__outlast_running" ]; then __outlast_leave 137; fi
}

# The host has work while the prompt of a visit is shown. The line that is being typed stays in
# the terminal, which has not handed it out yet, and on the screen, behind its prompt.
__outlast_recalled() { [ -z "$__outlast_reading" ] || __outlast_reading=recalled; }

# As with any shell that people sit at. It comes right behind a hang-up, whose EXIT trap it must
# not cut short.
__outlast_spared() { :; }

__outlast_hung_up() { if __outlast_is_driver; then __outlast_running=; command exit 129; else command exit 129; fi; }

__outlast_set_traps() {
  command trap 'eval "$__outlast_bye"' EXIT
  command trap __outlast_killed 16
  command trap __outlast_recalled 30
}

# First thing after an invocation: $1 is its status. The options that would disturb the driver
# are set again at the beginning of the next script. They are due until it begins: one with a syntax
# error on its first line never does.
__outlast_enter() {
  __outlast_inside=
  [ -n "$__outlast_due" ] || __outlast_resume=
  case $-$__outlast_was in *x*) set +x; __outlast_resume='set -x; ' ;; esac
  case $- in *m*) set +m ;; esac
  case $-$__outlast_was in *v*) set +v; __outlast_resume="${__outlast_resume}set -v; " ;; esac
  case $-$__outlast_was in *e*) set +e; __outlast_resume="${__outlast_resume}set -e; " ;; esac
  case $-$__outlast_was in *u*) set +u; __outlast_resume="${__outlast_resume}set -u; " ;; esac
  case $-$__outlast_was in *f*) set +f; __outlast_resume="${__outlast_resume}set -f; " ;; esac
  case $-$__outlast_was in *C*) set +C; __outlast_resume="${__outlast_resume}set -C; " ;; esac
  case $-$__outlast_was in *a*) set +a; __outlast_resume="${__outlast_resume}set -a; " ;; esac
  __outlast_was=
  __outlast_set_traps
  __outlast_flag=
  if [ -n "$__outlast_resume" ]; then
    __outlast_flag=resume
    [ -n "$__outlast_due" ] || __outlast_resume="__outlast_due=; $__outlast_resume"
    __outlast_due=1
  fi
  if [ -z "$__outlast_opened" ]; then
    __outlast_opened=1
    __outlast_tell "opened $__outlast_flag"
  elif [ -n "$__outlast_visiting" ] && [ -z "$__outlast_exit" ]; then
    __outlast_last=${__outlast_broken:-$1}
    __outlast_count=$((__outlast_count + 1))
    __outlast_tell "prompt $__outlast_running $__outlast_count"
  else
    __outlast_last=${__outlast_exit:-$1}
    __outlast_tell "completed $__outlast_running ${__outlast_exit:-$1} $__outlast_flag"
    __outlast_running= __outlast_visiting=
    __outlast_give_back
  fi
  __outlast_exit= __outlast_broken=
}

# The host holds the terminal. With SIGHUP ignored, only this tells that it is gone.
__outlast_is_hosted() { [ -p "$__outlast_dir/control" ] && { { true; } <>/dev/tty; } 2>/dev/null; }

# Waits for work: a line %NUMBER:FLAGS, `i` for standard input, `a` for what is lent, `T` for the
# terminal as standard streams, `v` for a visit, with a number for its next prompt.
__outlast_wait() {
  while :; do
    __outlast_is_hosted || return 1
    until { IFS= command read -r __outlast_line <"$__outlast_dir/control"; } 2>/dev/null; do
      # If it was a signal, it may have come between two bytes of the line: what was read of it
      # is lost.
      __outlast_is_hosted || return 1
      __outlast_tell again
    done
    # The rest of such a line is dropped, and so is one that was said again needlessly.
    case $__outlast_line in %[0-9]*:*) ;; *) continue ;; esac
    __outlast_number=${__outlast_line#%}
    __outlast_flags=${__outlast_number#*:} __outlast_number=${__outlast_number%%:*}
    case $__outlast_number in *[!0-9]*) continue ;; esac
    if [ "$__outlast_number" -gt "$__outlast_latest" ]; then break; fi
    # The prompt of a visit that goes on.
    [ "$__outlast_number:$__outlast_flags" != "$__outlast_visiting:v$__outlast_count" ] || break
  done
  if [ "$__outlast_number" -gt "$__outlast_latest" ] && [ -n "$__outlast_visiting" ]; then
    __outlast_visiting=
    __outlast_give_back
  fi
  __outlast_running=$__outlast_number __outlast_latest=$__outlast_number
  if [ "$__outlast_pid" != "$$" ]; then command printf '%s\n' "$__outlast_number" >|"$__outlast_dir/number"; fi
  __outlast_path=$__outlast_dir/$__outlast_number
  __outlast_in=/dev/null __outlast_out=$__outlast_path.out __outlast_err=$__outlast_path.err
  __outlast_start=$__outlast_path.sh
  case $__outlast_flags in *i*) __outlast_in=$__outlast_path.in ;; esac
  case $__outlast_flags in *a*) command . "$__outlast_path.args" ;; esac
  case $__outlast_flags in
    *T*) __outlast_in=/dev/tty __outlast_out=/dev/tty __outlast_err=/dev/tty __outlast_standing= ;;
  esac
  case $__outlast_flags in *v*) __outlast_show_prompt ;; esac
}

# What an invocation is lent: the variable or exported function $1 with the value $2. What was
# there before comes back when it is over, but for a function, which the shell cannot tell us.
__outlast_lend() {
  local name=$1
  case $name in
    BASH_FUNC_*%%)
      name=${name#BASH_FUNC_} name=${name%\%\%}
      __outlast_lent="${__outlast_lent}unset -f $name;"
      command eval "$name $2" || __outlast_refused="function $name"
      return ;;
  esac
  if ! (command eval "$name=") 2>/dev/null; then __outlast_refused="read-only variable $name"; return; fi
  __outlast_lent="${__outlast_lent}unset $name;"
  if command eval "[ -n \"\${$name+set}\" ]"; then
    __outlast_loans=$((__outlast_loans + 1))
    command eval "__outlast_saved_$__outlast_loans=\$$name"
    __outlast_lent="$__outlast_lent$name=\$__outlast_saved_$__outlast_loans;unset __outlast_saved_$__outlast_loans;"
    case $(command export -p) in *"export $name="*) __outlast_lent="${__outlast_lent}export $name;" ;; esac
  fi
  command export "$name=$2"
}

__outlast_give_back() {
  [ -z "$__outlast_lent" ] || command eval "$__outlast_lent"
  __outlast_lent= __outlast_refused= __outlast_loans=0
}

__outlast_refuse() {
  command printf '%s: cannot set the %s\n' "$0" "$__outlast_refused" >&2
  return 1
}

# Runs the script $1 with the other arguments as its positional parameters, and no longer.
__outlast_call() {
  __outlast_start=$1
  shift
  . "$__outlast_start"
}

__outlast_status_is() { return "$1"; }

# One prompt of a visit, in line mode: the terminal edits the line. Leaves in __outlast_text
# what is to be run. A prompt that stands there since an earlier visit is not shown again, unless a
# command has had the terminal in between.
__outlast_show_prompt() {
  if [ -z "$__outlast_visiting" ]; then
    __outlast_visiting=$__outlast_number
    __outlast_tell "running $__outlast_number"
  fi
  local prompt="${PS1-\$ }" line= plain=
  # Lines of a command that was being typed when the host recalled the shell.
  __outlast_text=$__outlast_kept __outlast_kept=
  [ -z "$__outlast_text" ] || prompt=${PS2-> }
  exec </dev/tty
  while :; do
    # A key may come as soon as the prompt is there, and a signal does not end a read that has
    # not begun.
    line= plain=1 __outlast_reading=1
    [ -n "$__outlast_standing" ] || __outlast_print_prompt "$prompt"
    __outlast_standing=
    case $__outlast_reading in
      1)
        IFS= command read -r line
        plain=$? ;;
    esac
    case $__outlast_reading in
      dropped)
        __outlast_reading= __outlast_text= prompt=${PS1-\$ }
        command printf '\n' 1<>/dev/tty
        continue ;;
      recalled)
        __outlast_reading= __outlast_standing=1
        __outlast_kept=$__outlast_text __outlast_text="__outlast_status_is $__outlast_last"
        return 0 ;;
    esac
    __outlast_reading=
    if [ "$plain" -ne 0 ] && [ -z "$line$__outlast_text" ]; then
      command printf '\n' 1<>/dev/tty
      __outlast_text="__outlast_leave $__outlast_last"
      return 0
    fi
    __outlast_text=$__outlast_text$line
    if [ "$plain" -ne 0 ] || __outlast_is_complete; then return 0; fi
    __outlast_text="$__outlast_text
"
    prompt=${PS2-> }
  done
}

__outlast_print_prompt() {
  command eval "__outlast_shown=\"$1\"" 2>/dev/null || __outlast_shown=$1
  command printf %s "$__outlast_shown" 1<>/dev/tty
}

# Whether the text is all of a command: it can be parsed, or never will; and what follows it
# would not be taken for the rest of a here-document.
__outlast_is_complete() {
  case $__outlast_text in *\\\\) ;; *\\) return 1 ;; esac
  local said=
  if said=$(command printf '%s\n' "$__outlast_text" | sh -n 2>&1); then
    ! command printf '%s\n)\n' "$__outlast_text" | sh -n >/dev/null 2>&1
  else
    case $said in
      *'end of file'* | *EOF* | *nterminated* | *"Missing '}'"*) return 1 ;;
    esac
  fi
}

# What is at the end of the process: nothing to go on for, or a copy that goes on.
# A copy that busybox ash made for a subshell of the script is none of ours.
__outlast_can_rescue() { [ -n "$__outlast_running" ] && __outlast_is_driver && __outlast_is_hosted; }

# The copy has no traps but those that are ignored. That of SIGINT must not end what waits for it.
__outlast_keep_traps() {
  command trap >|"$__outlast_dir/traps"
  command trap '' INT QUIT HUP TERM
}
__outlast_become() {
  __outlast_me
  __outlast_pid=$__outlast_self
  command trap - QUIT
  command trap __outlast_spared TERM
  command trap __outlast_pressed INT
  command trap __outlast_hung_up HUP
  command . "$__outlast_dir/traps"
  __outlast_tell "rescued $__outlast_pid"
}

# At the top level of the process that ends. A copy of busybox ash has no last act: what waits for
# it takes over then, with the state that it had when it ended itself.
__outlast_bye='__outlast_status=$?
case $- in *x*) { __outlast_was=$-; set +x; } 2>/dev/null ;; *) __outlast_was=$- ;; esac
set +eu
if __outlast_can_rescue; then
  exec </dev/null >/dev/null 2>&1
  __outlast_exit=${__outlast_exit:-$__outlast_status}
  set +m
  __outlast_keep_traps
  while :; do
    ( __outlast_become; __outlast_enter "$__outlast_status"; eval "$__outlast_loop" )
    __outlast_exit=$?
    if [ -z "$__outlast_is_ash" ]; then command exit "$__outlast_exit"; fi
    __outlast_is_hosted || break
    IFS= command read -r __outlast_running <"$__outlast_dir/number"
    __outlast_latest=$__outlast_running __outlast_standing=
  done
fi
eval "$__outlast_farewell"'

# Of the two, only busybox ash has this.
if command eval '[[ a = a ]]' 2>/dev/null; then __outlast_is_ash=1; else __outlast_is_ash=; fi
__outlast_pid=$$ __outlast_latest=0 __outlast_running= __outlast_exit= __outlast_broken= __outlast_was= __outlast_resume= __outlast_due=
__outlast_farewell= __outlast_opened= __outlast_visiting= __outlast_inside= __outlast_reading= __outlast_standing= __outlast_count=0
__outlast_lent= __outlast_refused= __outlast_loans=0 __outlast_last=0 __outlast_text= __outlast_kept= __outlast_flags= __outlast_number=0
__outlast_set_traps
command trap __outlast_pressed INT
command trap __outlast_hung_up HUP
command trap __outlast_spared TERM
alias exit=__outlast_exit trap=__outlast_trap
