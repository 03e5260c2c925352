# Outlast's driver for zsh: the host runs invocations in this shell, one after the other.
#
# Sourced from the first start-up file, before the user's own, with __outlast_dir set. The work
# is done by an entry of `sched`, which zsh evaluates before a prompt, at top level: a `typeset`
# in an invocation is global. It loops: tell the host how the last invocation ended, wait on a
# FIFO for the next, source its file. `always` catches what an invocation is thrown out by
# (^C, an expansion error, our own `exit`); what gets past it shows a prompt, and the widget
# zle-line-init comes back from there. When somebody visits the terminal the loop ends, so that the
# prompt appears; before the next one a precmd hook makes an entry that asks the host again.
#
# Nothing may rely on a command that the user can redefine, hence `builtin`, nor on an option:
# functions set their own. Nothing stays open between uses: children see descriptors 0, 1 and
# 2 only. What the driver writes to is opened with `<>`, which does not wait for a reader: the
# host may be gone.

builtin zmodload zsh/sched zsh/parameter zsh/zleparameter

# By a buffer of its own (-u): the hang-up may come right behind it, and what the user's EXIT trap
# then prints would have the report in front of it.
__outlast_tell() { builtin print -ru1 -- "$1" 1<>"$__outlast_dir/status"; }

# Ends the running invocation with status $1 and keeps this process, and so its job table: an
# error unwinds functions, loops, sourced files, evals and traps. No builtin may run in it: in a
# trap that comes while another one writes, it would write the same once more.
__outlast_leave() {
  __outlast_exit=$1
  if [[ -o errexit ]]; then options[errexit]=off __outlast_resume_errexit=1; fi
  { : ${__outlast_nothing:?}; } 2>/dev/null
}

# The host's ^C. Left to itself zsh would end the innermost loop, or only the job.
__outlast_interrupted() {
  { [[ -z $__outlast_running || -n $__outlast_visit || $ZSH_SUBSHELL -ne 0 ]] || __outlast_leave 130; } 2>/dev/null
}

# The host's last resort, on a signal that nobody uses: it also ends what ignores SIGINT.
__outlast_killed() {
  [[ -z $__outlast_running || -n $__outlast_visit || $ZSH_SUBSHELL -ne 0 ]] || __outlast_leave 137
}

# `exit` ends the invocation, not the session. In a subshell it is the real one, and a trap there
# has its standard error.
exit() {
  {
    builtin local __outlast_last=$?
    if [[ $ZSH_SUBSHELL -ne 0 || -z $__outlast_running ]]; then
      [[ $# -ne 0 ]] || builtin set -- $__outlast_last
      builtin set -- builtin exit "$@"
    elif [[ $# -gt 1 ]]; then
      builtin set -- __outlast_too_many
    else
      [[ $# -eq 0 ]] || __outlast_last=$(($1 & 255))
      __outlast_leave $__outlast_last
    fi
  } 2>/dev/null
  "$@"
}
__outlast_too_many() { builtin print -ru2 "exit: too many arguments"; builtin return 1; }
logout() { exit "$@"; }
bye() { exit "$@"; }

# Waits for work: a line %NUMBER:FLAGS, `i` for standard input, `a` for an arguments file.
__outlast_wait() {
  builtin emulate -L zsh
  builtin setopt no_err_exit no_err_return no_xtrace unset
  builtin local line= IFS= got
  # Where the user ignores SIGHUP, a host that dies after the look at the terminal would be waited for.
  [[ -z $__outlast_deaf ]] || builtin trap __outlast_end HUP
  while builtin true; do
    # The host held the terminal. With SIGHUP ignored, only this tells that it is gone.
    [[ -t 0 || -t 2 ]] || __outlast_end
    got=1
    { builtin read -r line <"$__outlast_dir/control"; got=$? } always {
      [[ $TRY_BLOCK_INTERRUPT -eq 0 ]] || got=130
      TRY_BLOCK_ERROR=0 TRY_BLOCK_INTERRUPT=0
    }
    # What was read of a line when a signal came is lost.
    if [[ $got -gt 128 ]]; then __outlast_tell again; builtin continue; fi
    # The end of the file, or no file: the host is gone.
    [[ $got -eq 0 ]] || __outlast_end
    # The rest of such a line is dropped, and so is one that was said again needlessly.
    [[ $line == %<->:* ]] || builtin continue
    line=${line#%}
    [[ -z $__outlast_visit || $line != $__outlast_running:v$__outlast_asked ]] || { __outlast_farewell=; builtin return 1 }
    [[ ${line%%:*} -le $__outlast_latest ]] || builtin break
  done
  __outlast_farewell=
  if [[ -n $__outlast_visit ]]; then
    __outlast_visit=
    __outlast_give_back
  fi
  __outlast_running=${line%%:*} __outlast_latest=${line%%:*}
  __outlast_file=$__outlast_dir/$__outlast_running.zsh
  __outlast_words=()
  __outlast_input=/dev/null
  __outlast_output=$__outlast_dir/$__outlast_running.out
  __outlast_stderr=$__outlast_dir/$__outlast_running.err
  [[ $line != *:*i* ]] || __outlast_input=$__outlast_dir/$__outlast_running.in
  if [[ $line == *:*T* ]]; then
    __outlast_input=/dev/tty __outlast_output=/dev/tty __outlast_stderr=/dev/tty
  fi
  [[ $line != *:*a* ]] || builtin . "$__outlast_dir/$__outlast_running.args"
  [[ $line == *:*v* ]] || builtin return 0
  __outlast_visit=1
  __outlast_receive
  __outlast_tell "running $__outlast_running"
  builtin return 1
}

# What an invocation is lent: the variable or exported function $1 with the value $2. What was
# there before comes back when it is over.
__outlast_lend() {
  builtin local name=$1 was
  if [[ $name == BASH_FUNC_*%% ]]; then
    name=${${name#BASH_FUNC_}%\%\%}
    __outlast_lent+="builtin unset -f -- ${(qq)name}"$'\n'
    (( ! ${+functions[$name]} )) || __outlast_lent+="functions[${(b)name}]=${(qq)functions[$name]}"$'\n'
    builtin eval "function ${(qq)name} $2"
    builtin return
  fi
  if [[ ${(Pt)name} == *readonly* ]]; then
    __outlast_refused+="$name is a read-only variable"$'\n'
    builtin return
  fi
  was=$(builtin typeset -p -- "$name" 2>/dev/null)
  __outlast_lent+="builtin unset -v -- $name"$'\n'
  # Without -g it would be a local variable of the function that gives it back.
  [[ -z $was ]] || __outlast_lent+="builtin ${was/#typeset /typeset -g }"$'\n'
  builtin export "$name=$2"
}

__outlast_give_back() {
  [[ -n $__outlast_lent ]] || builtin return 0
  builtin eval "$__outlast_lent" 2>/dev/null
  __outlast_lent= __outlast_refused=
}

# Makes the prompt ready for a visitor.
__outlast_receive() {
  builtin local map
  for map in emacs viins vicmd; do
    builtin bindkey -M $map '\e[27;5;82~' .accept-line
    builtin bindkey -M $map '\e[27;5;83~' __outlast_recall
    builtin bindkey -M $map '\e[27;5;84~' __outlast_restore_line
    builtin bindkey -M $map '\e[27;5;85~' __outlast_end_of_file
  done
  builtin zle -N __outlast_recall
  builtin zle -N __outlast_restore_line
  builtin zle -N __outlast_end_of_file
}

# The host wants the shell back for an invocation: puts a half-typed line away, with the lines
# before it that are not complete either.
__outlast_recall() {
  {
    [[ -z $PREBUFFER$BUFFER ]] || __outlast_line=$PREBUFFER$BUFFER __outlast_point=$((${#PREBUFFER} + CURSOR))
    BUFFER=
    if [[ $CONTEXT == start ]]; then builtin zle .accept-line; else builtin zle .send-break; fi
  } 2>/dev/null
}

__outlast_restore_line() {
  {
    [[ -n $__outlast_line ]] || builtin return 0
    BUFFER=$__outlast_line$BUFFER CURSOR=$__outlast_point
    __outlast_line=
  } 2>/dev/null
}

# Control-D. At the end of an empty line it leaves; else it is the key that it is.
__outlast_end_of_file() {
  {
    if [[ -n $BUFFER || $CONTEXT != start ]]; then
      __outlast_tell 'end key'
    else
      __outlast_exit=$__outlast_status
      __outlast_tell 'end visit'
    fi
  } 2>/dev/null
}

# The hang-up that follows must not cut a trap of the user's short.
__outlast_end() {
  builtin trap '' HUP
  builtin unsetopt check_jobs check_running_jobs
  builtin exit 129
}

# An EXIT trap of the user's is out of zsh's sight while one of our functions runs: from the report
# on, that an invocation has ended, until the next one begins.
__outlast_zshexit() {
  [[ -z $__outlast_farewell ]] || builtin eval "$__outlast_farewell"
  __outlast_farewell=
}

# The user's own files may have moved descriptors. It is the session's terminal that a visitor sees,
# and that tells when the host is gone.
__outlast_take_terminal() {
  [[ /proc/self/fd/0 -ef $__outlast_dir/terminal ]] || builtin exec <>"$__outlast_dir/terminal"
  [[ /proc/self/fd/1 -ef $__outlast_dir/terminal ]] || builtin exec >&0
  [[ /proc/self/fd/2 -ef $__outlast_dir/terminal ]] || builtin exec 2>&0
}

# First thing after an invocation: $1 is its status.
__outlast_enter() {
  builtin emulate -L zsh
  builtin setopt no_err_exit no_err_return no_xtrace unset
  __outlast_sort_traps
  __outlast_resume+=$__outlast_traced
  __outlast_traced=
  __outlast_anchor
  if [[ -z $__outlast_opened ]]; then
    __outlast_opened=1
    __outlast_take_terminal
    __outlast_tell "opened${__outlast_resume:+ resume}"
  elif [[ -n $__outlast_visit && -z $__outlast_exit ]]; then
    # A number that was not used before: an order given to an earlier asking is stale.
    __outlast_asked=$((__outlast_asked + 1))
    __outlast_tell "prompt $__outlast_running $__outlast_asked"
  elif [[ -n $__outlast_running ]]; then
    __outlast_visit=
    __outlast_give_back
    builtin local exit_status=${__outlast_exit:-$1}
    # `source` makes it of an error that it was thrown out by; a script's would be 1.
    [[ -n $__outlast_exit || $1 -ne 126 || $__outlast_failed -eq 126 ]] || exit_status=1
    __outlast_tell "completed $__outlast_running $exit_status${__outlast_resume:+ resume}"
    __outlast_running= __outlast_exit= __outlast_failed=0
  else
    # Thrown back while it waited for work, perhaps with half a line read.
    __outlast_tell again
  fi
}

# Sorts what `trap` listed. A DEBUG trap must not fire for the driver, so it is set again inside
# the next script; a ZERR trap of the user's is made a part of ours.
__outlast_sort_traps() {
  builtin local -a words
  builtin local -i i
  words=(${(z)__outlast_seen})
  __outlast_farewell= __outlast_error_now= __outlast_debug_now= __outlast_int_now= __outlast_deaf=
  for ((i = 1; i + 3 <= $#words; i++)); do
    [[ $words[i] == trap && $words[i+1] == -- ]] || builtin continue
    case $words[i+3] in
      EXIT) __outlast_farewell=${(Q)words[i+2]} ;;
      HUP) [[ -n ${(Q)words[i+2]} ]] || __outlast_deaf=1 ;;
      ERR|ZERR)
        # zsh prints what it has parsed, so ours is known by its names.
        case $words[i+2] in
          (*__outlast_users_error*) __outlast_error_now=2 ;;
          (*__outlast_fail*) ;;
          (*) __outlast_error_now=1 __outlast_users_error=${(Q)words[i+2]} ;;
        esac ;;
      INT) __outlast_int_now=1 ;;
      DEBUG)
        __outlast_debug_now=1
        __outlast_resume+="\\builtin trap -- ${words[i+2]} DEBUG; " ;;
    esac
  done
  [[ -z ${functions[TRAPZERR]-} ]] || __outlast_error_now=2
  [[ -z ${functions[TRAPINT]-} ]] || __outlast_int_now=1
  if [[ -n ${functions[TRAPDEBUG]-} ]]; then
    __outlast_debug_now=1
    __outlast_resume+="TRAPDEBUG() { ${functions[TRAPDEBUG]}
}; "
  fi
}

# The hooks that bring the shell back here. The user's own widget runs after ours.
__outlast_anchor() {
  [[ ${precmd_functions[(Ie)__outlast_precmd]-0} -ne 0 ]] || precmd_functions+=(__outlast_precmd)
  [[ ${zshexit_functions[(Ie)__outlast_zshexit]-0} -ne 0 ]] || zshexit_functions+=(__outlast_zshexit)
  if [[ ${widgets[zle-line-init]-} != user:__outlast_line_init ]]; then
    __outlast_users_init=${${widgets[zle-line-init]-}#user:}
    builtin zle -N zle-line-init __outlast_line_init
  fi
}

__outlast_precmd() {
  {
    builtin emulate -L zsh
    [[ "$zsh_scheduled_events" == *__outlast_settle* ]] || builtin sched +0 "$__outlast_loop"
  } 2>/dev/null
}

# A prompt that nobody asked for: the empty line takes the shell back to the driver, and is
# kept in no history.
__outlast_line_init() {
  {
    if [[ -z $__outlast_visit || -n $__outlast_exit ]]; then
      BUFFER=
      builtin zle .accept-line
      builtin return
    elif [[ -z $__outlast_users_init ]]; then
      builtin return
    fi
  } 2>/dev/null
  "$__outlast_users_init" "$@"
}

# What the host types when it finds the shell at a prompt in the middle of an invocation.
__outlast_reenter() {
  __outlast_exit=${__outlast_exit:-$?}
  __outlast_anchor
}

__outlast_latest=0 __outlast_running= __outlast_exit= __outlast_resume= __outlast_opened=
__outlast_visit= __outlast_asked=0 __outlast_line= __outlast_point=0 __outlast_lent= __outlast_refused=
__outlast_output= __outlast_stderr=
__outlast_failed=0 __outlast_status=0 __outlast_seen= __outlast_users_init= __outlast_words=()
__outlast_file= __outlast_input= __outlast_farewell= __outlast_deaf= __outlast_option=
__outlast_error_now= __outlast_debug_now= __outlast_int_now=
# `.` itself fails when its file does: that is no failure of the user's.
__outlast_fail='__outlast_last=$?
if [[ $ZSH_SUBSHELL -eq 0 && -n $__outlast_running && ( -n $__outlast_visit || ${ZSH_EVAL_CONTEXT-} == *:file* ) ]]; then
  __outlast_failed=$__outlast_last
  [[ ! -o errexit ]] || __outlast_leave ${__outlast_exit:-$__outlast_last}
fi'
# The status in a trap is that of the command, also after ours.
__outlast_again() { builtin return $__outlast_last; }
__outlast_on_users_error='{ __outlast_last=$?; __outlast_again && \builtin :; } 2>/dev/null; \builtin eval "$__outlast_users_error"; { __outlast_again && \builtin :; \builtin eval "$__outlast_fail"; } 2>/dev/null'
__outlast_users_error= __outlast_last=0
__outlast_on_error='{ \builtin eval "$__outlast_fail"; } 2>/dev/null'
# Evaluated at top level, for what a function cannot do: options and traps stay. Held open in
# both directions all the while, the FIFO neither blocks nor keeps anything.
__outlast_calm='__outlast_resume=
if [[ -o xtrace ]]; then \builtin unsetopt xtrace; __outlast_traced="\builtin setopt xtrace; "; fi
for __outlast_option in errexit errreturn verbose allexport; do
  if [[ -o $__outlast_option ]]; then \builtin unsetopt $__outlast_option; __outlast_resume+="\builtin setopt $__outlast_option; "; fi
done
if [[ -n $__outlast_resume_errexit ]]; then __outlast_resume_errexit=; __outlast_resume+="\builtin setopt errexit; "; fi'
__outlast_settle='{ \builtin trap >&0; \builtin print -n "\0" >&0; IFS= \builtin read -r -d "" __outlast_seen; } <>"$__outlast_dir/loop"
__outlast_enter $__outlast_status
if [[ -n $__outlast_debug_now ]]; then \builtin trap - DEBUG; fi
case $__outlast_error_now in
  ("") \builtin trap "$__outlast_on_error" ZERR ;;
  (1) \builtin trap "$__outlast_on_users_error" ZERR ;;
esac
if [[ -z $__outlast_int_now ]]; then \builtin trap __outlast_interrupted INT; fi'
__outlast_resume_errexit= __outlast_traced=
__outlast_loop='{ __outlast_status=$?; \builtin eval "$__outlast_calm"; } 2>/dev/null; \builtin eval "$__outlast_settle"
while __outlast_wait; do
  {
    { __outlast_tell "running $__outlast_running"; \builtin . "$__outlast_file" "${__outlast_words[@]}"; } <"$__outlast_input" >|"$__outlast_output" 2>|"$__outlast_stderr"
  } always {
    { __outlast_status=$? TRY_BLOCK_ERROR=0 TRY_BLOCK_INTERRUPT=0; \builtin eval "$__outlast_calm"; } 2>/dev/null
    \builtin eval "$__outlast_settle"
  }
done
if [[ -z $__outlast_int_now ]]; then \builtin trap - INT; fi
if [[ -n $__outlast_resume ]]; then \builtin eval "$__outlast_resume"; fi
{ __outlast_last=$__outlast_status; __outlast_again && \builtin :; } 2>/dev/null'
builtin trap '__outlast_killed' STKFLT
builtin sched +0 "$__outlast_loop"
