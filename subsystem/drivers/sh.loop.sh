# The loop of `sh.sh`. The shell itself has it at the top level of what it reads: inside `eval` or
# `.`, a subshell of busybox ash that has an error jumps to and fro for ever. It is in the variable
# __outlast_loop for the copies that go on for a shell.
#
# The streams are changed by `exec`, as busybox ash takes back what a group redirects before it runs
# the EXIT trap of a subshell.
while __outlast_wait; do
  case $__outlast_flags in
    *v*)
      exec <>/dev/tty >&0 2>&0
      set -m
      __outlast_inside=1
      case $__outlast_resume in *e*) ;; *) __outlast_status_is "$__outlast_last" ;; esac
      command eval "$__outlast_resume$__outlast_text" ;;
    *)
      exec <"$__outlast_in" >"$__outlast_out" 2>"$__outlast_err"
      __outlast_tell "running $__outlast_running"
      case $__outlast_refused in
        "") command . "$__outlast_start" ;;
        *) __outlast_refuse ;;
      esac ;;
  esac
  { __outlast_status=$?; case $- in *x*) set +x; __outlast_was=x ;; esac; } 2>/dev/null
  exec </dev/null >/dev/null 2>&1
  # An error in a subshell of busybox ash comes here in the subshell.
  if [ -n "$__outlast_is_ash" ] && ! __outlast_is_driver; then command exit "$__outlast_status"; fi
  __outlast_enter "$__outlast_status"
done
__outlast_running=
command exit 129
