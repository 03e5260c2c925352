# Outlast's driver for bash: the host runs invocations in this shell, one after the other.
#
# Sourced once at top level, before the user's own files, with __outlast_dir set. The work is
# done by PROMPT_COMMAND, a string and not a function: evaluated at top level, a `declare` in an
# invocation is global. It loops: tell the host how the last invocation ended, wait on a FIFO
# for the next, source its file. Whatever throws the shell back to top level (^C, an expansion
# error) ends in PROMPT_COMMAND again, which then reports `$?`. When somebody visits the terminal
# the loop ends, so that the prompt appears; before the next one PROMPT_COMMAND asks the host again.
#
# Nothing may rely on a command that the user can redefine: hence `\builtin`. Nothing stays open
# between uses: children see descriptors 0, 1 and 2 only. What the driver writes to is opened
# with `<>`, which does not wait for a reader: the host may be gone.

# (`1<>` would come out of `declare -f` as `<>`.) A shell that has been restricted opens no FIFO:
# it cannot be driven any more.
__outlast_tell() {
  \builtin printf '%s\n' "$1" <>"$__outlast_dir/status" >&0 || \builtin exit "$__outlast_status"
}

# Ends the running invocation with status $1 and keeps this process, and so its job table:
# SIGINT is the one thing that unwinds functions, loops, sourced files, evals and traps at once.
__outlast_leave() {
  __outlast_exit=$1
  PROMPT_COMMAND[0]=$__outlast_prompt
  __outlast_int=$(\builtin trap -p INT)
  \builtin trap - INT
  \builtin kill -INT "$$"
  # While a command substitution is read, SIGINT is blocked until this has returned.
  [[ $# -gt 1 ]] || while :; do :; done
}

# The host's last resort, on a signal that nobody uses: it also ends what ignores SIGINT.
__outlast_killed() {
  [[ -z $__outlast_running || $BASHPID != "$$" ]] || __outlast_leave 137 later 2>/dev/null
}

# `exit` ends the invocation, not the session. In a subshell it is the real one.
exit() {
  \builtin local __outlast_last=$?
  if [[ $BASHPID != "$$" || -z ${__outlast_running-} ]]; then
    [[ $# -eq 0 ]] || \builtin exit "$@"
    \builtin exit "$__outlast_last"
  fi
  if [[ $# -eq 1 && $1 =~ ^[[:space:]]*[-+]?[0-9]+[[:space:]]*$ ]]; then
    __outlast_last=$(($1 & 255))
  elif [[ $# -gt 0 ]]; then
    # Let bash say what is wrong; with too many arguments it does not exit.
    __outlast_last=0
    (\builtin exit "$@") || __outlast_last=$?
    [[ $# -eq 1 ]] || \builtin return "$__outlast_last"
  fi
  __outlast_leave "$__outlast_last" 2>/dev/null
}
logout() { exit "$@"; }

# What `trap` is while a script runs that uses it. The user's EXIT trap is kept for the real end of
# the shell, and its place is ours all the time: it is where an error ends up that nothing else
# catches (`set -u` under `set -e`). Their ERR trap is wrapped, as it must not fire once more for
# the command that runs the script. In a list of traps ours are left out. In a subshell, and as
# `builtin trap`, it is the real one; and where DEBUG or RETURN are named, which no function can
# set for its caller, the host does not ask for it.
__outlast_trap() {
  \builtin local action=- name own=
  \builtin local -a others
  others=()
  case ${1-} in
    '' | -p) [[ $# -gt 1 && $1 != -p ]] || { __outlast_list_traps "$@"; \builtin return; } ;;
    -[!-]*) \builtin trap "$@"; \builtin return ;;
    --) \builtin shift ;;
  esac
  [[ $BASHPID == "$$" ]] || { \builtin trap -- "$@"; \builtin return; }
  if [[ $# -gt 1 ]]; then action=$1; \builtin shift; fi
  for name; do
    case $name in
      EXIT | exit | SIGEXIT | 0) own=1 __outlast_farewell=${action#-} ;;
      ERR | err) own=1; __outlast_set_mishap "$action" ;;
      *) others+=("$name") ;;
    esac
  done
  [[ -n $own && ${#others[@]} -eq 0 ]] || \builtin trap -- "$action" ${others[@]+"${others[@]}"}
}

# Unless there is such a function of the user's.
__outlast_take_trap() {
  \builtin declare -F trap >/dev/null ||
    \builtin eval 'trap() { { __outlast_shown=$-; \builtin set +xv; } 2>/dev/null; \__outlast_trap "$@"; { \__outlast_show "$?"; } 2>/dev/null; }'
}

# (`local -` would bring back what a trap has changed: `set -E`.)
__outlast_show() {
  case $__outlast_shown in *v*) \builtin set -v ;; esac
  case $__outlast_shown in *x*) \builtin set -x ;; esac
  \builtin return "$1"
}

__outlast_give_trap() {
  __outlast_trapping=
  [[ $(\builtin declare -f trap) != *__outlast_trap* ]] || \builtin unset -f trap
}

# Their own ERR trap is inherited by functions only if they say so: `set -E` may be ours.
__outlast_set_mishap() {
  if [[ $1 == - ]]; then
    __outlast_mishap= __outlast_mends=
    \builtin trap "$__outlast_on_error" ERR
  else
    __outlast_mishap=$1 __outlast_mends=1
    [[ -z $__outlast_errtrace ]] || \builtin set +E
    __outlast_errtrace=
    \builtin trap "$__outlast_on_mishap" ERR
  fi
}

__outlast_list_traps() {
  \builtin local text= error= farewell=
  text=$(\builtin trap "$@" 2>/dev/null && \builtin printf x) || { \builtin trap "$@"; \builtin return; }
  text=${text%x}
  [[ -z $__outlast_farewell ]] ||
    farewell="trap -- '${__outlast_farewell//"'"/"'\\''"}' EXIT"$'\n'
  # What is listed in a function depends on `set -E`.
  if [[ -n $__outlast_mends && ( " $* " == *' ERR '* || $# -eq 0 || $* == -p ) ]]; then
    error="trap -- '${__outlast_mishap//"'"/"'\\''"}' ERR"$'\n'
  fi
  text=${text//"trap -- '$__outlast_on_exit' EXIT"$'\n'/"$farewell"}
  text=${text//"trap -- '$__outlast_on_error' ERR"$'\n'/}
  text=${text//"trap -- '$__outlast_on_mishap' ERR"$'\n'/}
  text=${text//"trap -- '\__outlast_killed' SIGSTKFLT"$'\n'/}
  \builtin printf %s "$text$error"
}

# Sorts what `trap -p EXIT ERR DEBUG` printed into the user's own and ours, for what was not set
# by the function above. A DEBUG trap is set again inside the script, as it must not fire for the
# driver; with an ERR trap of the user's, ours stays away.
__outlast_sort_traps() {
  \builtin local words i=0 error=
  # With `set -o posix`, what is not trapped is listed as `trap -- - EXIT`.
  \builtin eval "words=(${1//trap -- - /trap -- \'\' })"
  while [[ -n ${words[i]-} ]]; do
    case ${words[i + 3]} in
      EXIT) [[ ${words[i + 2]} == "$__outlast_on_exit" ]] || __outlast_farewell=${words[i + 2]} ;;
      ERR) error=${words[i + 2]} ;;
      DEBUG) \builtin printf -v __outlast_resume '%s\\builtin trap -- %q DEBUG; ' \
        "$__outlast_resume" "${words[i + 2]}" ;;
    esac
    i=$((i + 4))
  done
  \builtin trap "$__outlast_on_exit" EXIT
  case $error in
    "$__outlast_on_error" | "$__outlast_on_mishap") ;;
    '') \__outlast_set_mishap - ;;
    *) \__outlast_set_mishap "$error" ;;
  esac
  [[ -n $__outlast_mends || $- == *E* ]] || { __outlast_errtrace=1; \builtin set -E; }
}

# The user's own PROMPT_COMMAND follows ours, and runs when the prompt is really shown.
__outlast_keep_prompt() {
  \builtin local -
  \builtin set +u
  if [[ ${PROMPT_COMMAND[0]-} == "$__outlast_prompt" ]]; then
    __outlast_prompts=${#PROMPT_COMMAND[@]}
    \builtin return 0
  fi
  if [[ ${#PROMPT_COMMAND[@]} -eq $__outlast_prompts ]]; then
    \builtin set -- "${PROMPT_COMMAND[0]-}"
  else
    \builtin set -- ${PROMPT_COMMAND[@]+"${PROMPT_COMMAND[@]}"}
  fi
  \builtin unset PROMPT_COMMAND
  PROMPT_COMMAND=("$__outlast_prompt" "${@//"$__outlast_prompt"/:}")
  __outlast_prompts=${#PROMPT_COMMAND[@]}
}

# The user's own files may have moved descriptors. It is the session's terminal that a visitor sees,
# and that tells when the host is gone. What `builtin exec` redirects would be taken back: a function
# of that name has to stand aside.
__outlast_take_terminal() {
  \builtin set -- "$(\builtin declare -f exec)"
  [[ -z $1 ]] || \builtin unset -f exec
  [[ /proc/self/fd/0 -ef $__outlast_dir/terminal ]] || \exec <>"$__outlast_dir/terminal"
  [[ /proc/self/fd/1 -ef $__outlast_dir/terminal ]] || \exec >&0
  [[ /proc/self/fd/2 -ef $__outlast_dir/terminal ]] || \exec 2>&0
  [[ -z $1 ]] || \builtin eval "$1"
}

# Runs at top level first thing after an invocation: $1 is its status.
__outlast_enter() {
  __outlast_resume=
  case $__outlast_flags in *x*) __outlast_resume='\builtin set -x; ' ;; esac
  # Nothing that has to be set again, but something to be known.
  case $__outlast_flags in *u*) __outlast_resume+='\builtin set -u; ' ;; esac
  case $__outlast_flags in *v*) __outlast_resume+='\builtin set -v; ' ;; esac
  if [[ -n $__outlast_int ]]; then \builtin eval "$__outlast_int"; __outlast_int=; fi
  [[ $__outlast_seen == "$__outlast_traps" ]] || __outlast_sort_traps "$__outlast_seen"
  __outlast_keep_prompt
  [[ -z $__outlast_trapping ]] || __outlast_give_trap
  if [[ -n $__outlast_renamed ]]; then BASH_ARGV0=$__outlast_renamed; __outlast_renamed=; fi
  if [[ -z $__outlast_opened ]]; then
    __outlast_opened=1
    __outlast_take_terminal
    __outlast_tell "opened ${__outlast_resume:+resume}"
  elif [[ -n $__outlast_visit && -z $__outlast_exit ]]; then
    # A number that was not used before: an order given to an earlier asking is stale.
    __outlast_asked=$((__outlast_asked + 1))
    __outlast_tell "prompt $__outlast_running $__outlast_asked"
  elif [[ -n $__outlast_running ]]; then
    __outlast_visit=
    __outlast_give_back
    # In this order: after a ^C in between it is told twice, which the host bears.
    __outlast_tell "completed $__outlast_running ${__outlast_exit:-$1} ${__outlast_resume:+resume}"
    __outlast_running= __outlast_exit=
  else
    # Thrown back while it waited for work, perhaps with half a line read.
    __outlast_tell again
  fi
}

# Waits for work: a line %NUMBER:FLAGS, `i` for standard input, `a` for an arguments file, `T` for
# the terminal, `t` if it sets traps, `j` if it asks for jobs, `v` for a visit.
# The long time-out keeps the user's TMOUT away.
__outlast_wait() {
  \builtin local line=
  for ((;;)); do
    # The host held the terminal. With SIGHUP ignored, only this tells that it is gone.
    [[ -t 0 || -t 2 ]] || \builtin exit 129
    until \builtin read -r -t 999999999 line <"$__outlast_dir/control"; do
      # 1 is the end of the file, or no file: the host is gone. Above 128 it was a signal, which
      # may have come between two bytes of the line: what was read of it is lost.
      # The hang-up that follows the end must not cut a trap of the user's short.
      [[ $? -gt 128 && ( -t 0 || -t 2 ) ]] || { \builtin trap '' HUP; \builtin exit 129; }
      \__outlast_tell again
    done
    # The rest of such a line is dropped, and so is one that was said again needlessly.
    if [[ $line == %*:* ]]; then
      line=${line#%}
      [[ -z $__outlast_visit || $line != "$__outlast_running:v$__outlast_asked" ]] ||
        \builtin return 1
      [[ ${line%%:*} -le $__outlast_latest ]] || \builtin break
    fi
  done
  [[ -z $__outlast_visit ]] || { __outlast_visit=; __outlast_give_back; }
  # bash would tell this invocation which jobs of earlier ones have ended since. A visitor is told,
  # and so is who asks.
  case $line in *:*[jv]*) ;; *) \builtin jobs -n >/dev/null 2>&1 || \builtin : ;; esac
  __outlast_running=${line%%:*} __outlast_latest=${line%%:*}
  __outlast_file=$__outlast_dir/$__outlast_running.sh
  __outlast_words=()
  __outlast_input=/dev/null
  __outlast_output=$__outlast_dir/$__outlast_running.out
  __outlast_error=$__outlast_dir/$__outlast_running.err
  case $line in *:*i*) __outlast_input=$__outlast_dir/$__outlast_running.in ;; esac
  case $line in *:*T*)
    __outlast_input=/dev/tty __outlast_output=/dev/tty __outlast_error=/dev/tty ;;
  esac
  case $line in *:*t*) __outlast_trapping=1; __outlast_take_trap ;; esac
  case $line in *:*a*) \builtin . "$__outlast_dir/$__outlast_running.args" ;; esac
  case $line in *:*v*)
    __outlast_visit=1
    __outlast_receive
    __outlast_tell "running $__outlast_running"
    \builtin return 1 ;;
  esac
}

# What an invocation is lent: the variable or exported function $1 with the value $2. What was
# there before comes back when it is over.
__outlast_lend() {
  \builtin local name=$1
  if [[ $name == BASH_FUNC_*%% ]]; then
    name=${name#BASH_FUNC_}
    name=${name%'%%'}
    __outlast_lent+="\\builtin unset -f -- ${name@Q}
$(\builtin declare -f -- "$name")
"
    \builtin eval "$name $2"
    \builtin return
  fi
  __outlast_was=$(\builtin declare -p -- "$name" 2>/dev/null) || __outlast_was=
  if [[ $__outlast_was =~ ^declare\ -[^\ ]*r ]]; then
    __outlast_refused+="$name is a read-only variable"$'\n'
    \builtin return
  fi
  __outlast_lent+="\\builtin unset -v -- ${name@Q}
"
  # Without -g it would be a local variable of the function that gives it back.
  [[ -z $__outlast_was ]] || __outlast_lent+="\\builtin declare -g ${__outlast_was#declare }
"
  \builtin export -- "$name=$2"
}

__outlast_give_back() {
  [[ -n $__outlast_lent ]] || \builtin return 0
  \builtin eval "$__outlast_lent" 2>/dev/null || \builtin :
  __outlast_lent= __outlast_refused=
}

# Makes the prompt ready for a visitor. Only now somebody can recall the history, and edit.
__outlast_receive() {
  if [[ -z $__outlast_received ]]; then
    __outlast_received=1
    [[ -z ${HISTFILE-} || ! -r $HISTFILE ]] || \builtin history -r
  fi
  \builtin local map
  for map in emacs-standard vi-insert vi-command; do
    \builtin bind -m "$map" -x '"\e[27;5;81~": __outlast_recall'
    \builtin bind -m "$map" '"\e[27;5;82~": accept-line'
    \builtin bind -m "$map" '"\e[27;5;83~": "\e[27;5;81~\e[27;5;82~"'
    \builtin bind -m "$map" -x '"\e[27;5;84~": __outlast_restore_line'
    \builtin bind -m "$map" -x '"\e[27;5;85~": __outlast_end_of_file'
  done 2>/dev/null
}

# The host wants the shell back for an invocation: puts a half-typed line away.
__outlast_recall() {
  [[ -z $READLINE_LINE ]] || __outlast_line=$READLINE_LINE __outlast_point=$READLINE_POINT
  READLINE_LINE=
}

__outlast_restore_line() {
  [[ -n $__outlast_line ]] || \builtin return 0
  READLINE_LINE=$__outlast_line$READLINE_LINE READLINE_POINT=$__outlast_point
  __outlast_line=
}

# Control-D. At the end of an empty line it leaves; else it is the key that it is.
__outlast_end_of_file() {
  if [[ -n $READLINE_LINE ]]; then
    __outlast_tell 'end key'
  else
    __outlast_exit=$__outlast_status
    __outlast_tell 'end visit'
  fi
}

__outlast_rename() { __outlast_renamed=$0; BASH_ARGV0=$1; }

# What the host types when it finds the shell at a prompt in the middle of an invocation: ^C or
# an error threw it back after PROMPT_COMMAND had been set or unset. The line leaves the history.
__outlast_reenter() {
  __outlast_exit=${__outlast_exit:-$?}
  \builtin local HISTTIMEFORMAT= entry=
  entry=$(\builtin history 1)
  if [[ $entry =~ ^[[:space:]]*([0-9]+)[*[:space:]]+.*__outlast_reenter ]]; then
    \builtin history -d "${BASH_REMATCH[1]}"
  fi
  __outlast_keep_prompt
}

# The way out that cannot be intercepted (`builtin exit`, `set -e` with an ERR trap of the
# user's): write the state down and become a fresh shell with the same process id, terminal
# and children. Only the job table is lost. Without a host (who held the terminal), or at rest,
# it is the real end.
__outlast_rescue() {
  [[ -n $__outlast_running && -p $__outlast_dir/control ]] || \builtin return 0
  { : <>/dev/tty; } 2>/dev/null || \builtin return 0
  # What is restored sets the traps as they are.
  [[ -z $__outlast_trapping ]] || __outlast_give_trap
  __outlast_options=$(\builtin shopt -p; \builtin set +o)
  # `set -o history` is so anyway, and would record the lines after it.
  __outlast_options=${__outlast_options/"set -o history"/}
  # A command substitution is without -e.
  [[ $- != *e* ]] || __outlast_options+=$'\n\\builtin set -e'
  \builtin set +eux
  __outlast_cwd=$PWD __outlast_histfile=${HISTFILE-}
  HISTFILE=$__outlast_dir/history
  {
    \builtin declare -p && \builtin declare -f && \builtin declare -F && \builtin alias -p &&
      \builtin printf '%s\n' "$__outlast_seen" && { \builtin complete -p || :; } &&
      \builtin printf '__outlast_whole=1\n'
  } >"$__outlast_dir/state" 2>/dev/null || \builtin return 0
  \builtin unset PROMPT_COMMAND
  \builtin export HISTFILE
  PROMPT_COMMAND=$__outlast_boot \builtin exec "$BASH" --noprofile --login -i <>/dev/tty >&0 2>&0
}

# What the rescued shell does instead of reading the user's files. `declare` refuses the
# variables that bash keeps read-only, and says so to nobody. The options come last: `set -e`
# must not end the restoration.
__outlast_restore='\builtin . "$__outlast_dir/state" >/dev/null 2>&1;
HISTFILE=$__outlast_histfile; [[ -n $HISTFILE ]] || \builtin unset HISTFILE;
\builtin cd -- "$__outlast_cwd" 2>/dev/null;
\builtin set -- ${__outlast_args[@]+"${__outlast_args[@]}"};
__outlast_traps=none; \__outlast_tell rescued; \builtin eval "$__outlast_options" 2>/dev/null'

__outlast_latest=0 __outlast_running= __outlast_exit= __outlast_int= __outlast_resume= __outlast_renamed=
__outlast_visit= __outlast_asked=0 __outlast_received= __outlast_line= __outlast_point=0 __outlast_lent= __outlast_refused=
__outlast_errtrace= __outlast_farewell= __outlast_mishap= __outlast_mends= __outlast_status=0 __outlast_trapping= __outlast_shown= __outlast_prompts=0 __outlast_opened= __outlast_words=()
# The traps themselves are short: they are read back byte by byte after every invocation.
# Held open in both directions all the while, the FIFO neither blocks nor keeps anything.
__outlast_end='__outlast_exit=${__outlast_exit:-$?} __outlast_args=("$@"); [[ $BASHPID == $$ ]] || \builtin eval "$__outlast_stray"; { \builtin trap -p >&0; \builtin printf "\0" >&0; \builtin read -r -d "" __outlast_seen; } <>"$__outlast_dir/loop"; \__outlast_rescue; \builtin eval "$__outlast_farewell"'
# A copy of the shell that ^C hits before it knows that it is one goes to the prompt as well.
__outlast_stray='\builtin trap - EXIT; \builtin exit "${__outlast_exit:-$__outlast_status}"'
__outlast_fail='__outlast_last=$?; [[ $- != *e* || $BASHPID != $$ || -z $__outlast_running ]] || \__outlast_leave "$__outlast_last"'
__outlast_on_exit='\builtin eval "$__outlast_end"'
__outlast_on_error='{ \builtin eval "$__outlast_fail"; } 2>/dev/null'
# The status that their trap sees is the one that it fired for.
__outlast_on_mishap='case $BASH_COMMAND in *\$__outlast_file*) ;; *) \builtin eval "$__outlast_mishap" ;; esac'
# On a line of its own, so that `set -v` shows no more than that: input is shown as it is read.
__outlast_calm='{ __outlast_status=$? __outlast_flags=$-; \builtin set +xv; } 2>/dev/null'
__outlast_look='[[ $BASHPID == $$ ]] || \builtin eval "$__outlast_stray"; { \builtin trap -p EXIT ERR DEBUG >&0; \builtin printf "\0" >&0; \builtin read -r -d "" __outlast_seen; } <>"$__outlast_dir/loop"; \__outlast_enter "$__outlast_status"; case $__outlast_resume in *DEBUG*) \builtin trap - DEBUG ;; esac'
# The end of an invocation is looked at where its traps and options still stand: by the same text.
__outlast_prompt=$__outlast_calm$'\n'$__outlast_look'; while \__outlast_wait; do { \__outlast_tell "running $__outlast_running"; \builtin . "$__outlast_file" ${__outlast_words[@]+"${__outlast_words[@]}"}; } <"$__outlast_input" >"$__outlast_output" 2>"$__outlast_error"; '$__outlast_calm'; '$__outlast_look'; done; [[ -z $__outlast_resume ]] || \builtin eval "$__outlast_resume"'
\builtin printf -v __outlast_traps "trap -- '%s' EXIT\ntrap -- '%s' ERR\n" \
  "$__outlast_on_exit" "$__outlast_on_error"
\builtin trap '\__outlast_killed' STKFLT
# A script that clears all functions away must not take the driver along.
\builtin readonly -f $(\builtin compgen -A function __outlast_)
