# What `outlast install` runs on a computer, as the user or, for everybody there, as root.
#
#   VERB   check   says what is there and changes nothing
#          put     puts the program on standard input in its place
#          remove  takes it away
#   SCOPE  user, or system
#   DIRECTORY, SHA256, CONFIG, RELOAD, FORCE, CHECK: see below
#
# It answers on standard output in lines of a word and a value. The last one is `result`, or `failed`
# with the reason, before which `hint` may say what to do. Whatever ends it early, a cut connection
# too, it leaves things as they were.
set -u
LC_ALL=C
export LC_ALL
umask 022

verb=$1 scope=$2
directory=$3 # where the program is to be; empty for the usual place
sha256=$4    # of the program that is to be there
config=$5    # the main configuration file of sshd
reload=$6    # a command that has sshd read it again; empty for what this system has
force=$7     # yes: also away from under running sessions
check=$8     # yes: changes nothing

say() { printf '%s %s\n' "$1" "$(printf %s "$2" | tr '\n\t' '  ')"; }

fail() {
  [ -z "${2-}" ] || say hint "$2"
  say failed "$1"
  exit 1
}

if [ "$scope" = system ]; then
  : "${directory:=/usr/lib/outlast}"
else
  [ -n "${HOME-}" ] || fail "this login has no home directory (HOME is empty)" \
    "\`--system\` puts it where everybody finds it"
  directory=$HOME/.local/bin
fi
name=outlast-subsystem
program=$directory/$name
new=$directory/.$name.new.$$
old=$directory/.$name.old.$$
drop_in=${config%/*}/sshd_config.d/outlast.conf
old_drop_in=${config%/*}/sshd_config.d/.outlast.conf.old.$$
new_drop_in=${config%/*}/sshd_config.d/.outlast.conf.new.$$

checksum() {
  if command -v sha256sum; then
    sha256sum <"$1"
  elif command -v shasum; then
    shasum -a 256 <"$1"
  elif command -v openssl; then
    openssl dgst -sha256 -r <"$1"
  elif command -v sha256; then
    sha256 <"$1"
  fi 2>/dev/null | sed -n 's/^\([0-9a-f]\{64\}\).*/\1/p'
}

# Programs of sessions that go on without their file, but are not reached any more.
count_sessions() {
  sessions=0
  there=$(cd -P "$directory" 2>/dev/null && pwd)/$name
  here=$(readlink /proc/self/ns/mnt)
  for process in /proc/[0-9]*; do
    [ "$scope" = system ] || [ -O "$process/cmdline" ] || continue
    case $(tr '\0' ' ' <"$process/cmdline" 2>/dev/null) in
    "$there host "*)
      # In a container the same path is another file.
      [ "$(readlink "$process/ns/mnt")" != "$here" ] || sessions=$((sessions + 1))
      ;;
    esac
  done
}

# ---- sshd ----

find_sshd() {
  for sshd in "$(command -v sshd)" /usr/sbin/sshd /usr/local/sbin/sshd /sbin/sshd /usr/lib/ssh/sshd; do
    [ ! -x "$sshd" ] || return 0
  done
  fail "there is no sshd in the usual places" "without \`--system\` none is needed"
}

# What sshd starts for `outlast`; nothing where it does not know that.
subsystem() {
  "$sshd" -T -f "$config" 2>/dev/null | sed -n 's/^subsystem outlast //p'
}

# Whether the file has the line and nothing of anybody's: then it may be replaced and taken away.
is_ours() {
  grep -q '^Subsystem outlast ' "$drop_in" 2>/dev/null &&
    ! grep -qv -e '^#' -e '^Subsystem outlast ' -e '^$' "$drop_in"
}

# Sets `entry`: whether the line has to be written (missing, ours) or is there.
look_at_sshd() {
  find_sshd
  [ -r "$config" ] || fail "there is no $config" "\`--sshd-config FILE\` names sshd's configuration"
  problem=$("$sshd" -t -f "$config" 2>&1) ||
    fail "sshd does not take its configuration as it is: $problem" "nothing was changed: mend $config first"
  known=$(subsystem)
  case $known in
  "$program" | "$program "*) entry=there ;;
  '')
    entry=missing
    [ ! -e "$drop_in" ] || is_ours ||
      fail "$drop_in is there and has lines of somebody else" "move them to a file of another name"
    ;;
  *)
    entry=ours
    is_ours ||
      fail "sshd has a line \`Subsystem outlast $known\` already" \
        "take that line away, or use \`--directory ${known%/*}\`"
    ;;
  esac
}

reload_sshd() {
  if [ -n "$reload" ]; then
    sh -c "$reload"
  elif [ -d /run/systemd/system ]; then
    for unit in ssh sshd; do
      systemctl is-active --quiet "$unit" || continue
      systemctl reload "$unit"
      return
    done
    # Started for each connection anew: the next one reads it.
    systemctl is-active --quiet ssh.socket || systemctl is-active --quiet sshd.socket
  elif command -v rc-service >/dev/null; then
    rc-service sshd reload
  elif [ -r /run/sshd.pid ]; then
    kill -HUP "$(cat /run/sshd.pid)"
  else
    echo "nothing here is known that does it" >&2
    return 1
  fi
}

accept_or_fail() {
  problem=$("$sshd" -t -f "$config" 2>&1) ||
    fail "with that change sshd does not take its configuration: $problem" "everything is as it was before"
}

reload_or_fail() {
  problem=$(reload_sshd 2>&1 </dev/null) ||
    fail "sshd could not be told to read its configuration again: ${problem:-no reason was given}" \
      "everything is as it was before; \`--reload COMMAND\` names the command that does it here"
}

# ---- undoing ----

committed=no swapped=no drop_in_touched=no

undo() {
  rm -f "$new" "$new_drop_in"
  if [ $committed = yes ]; then
    rm -f "$old" "$old_drop_in"
    return
  fi
  if [ $swapped = yes ]; then
    if [ -e "$old" ]; then mv -f "$old" "$program"; else rm -f "$program"; fi
  fi
  if [ $drop_in_touched = yes ]; then
    if [ -e "$old_drop_in" ]; then mv -f "$old_drop_in" "$drop_in"; else rm -f "$drop_in"; fi
  fi
  rm -f "$old" "$old_drop_in"
}
trap undo EXIT
trap 'exit 1' HUP INT TERM PIPE

keep() { [ ! -e "$1" ] || ln "$1" "$2" 2>/dev/null || cp -p "$1" "$2"; }

# ---- verbs ----

describe() {
  say system "$(uname -s)"
  say machine "$(uname -m)"
  say path "$program"
  if [ -f "$program" ]; then
    say installed "$(checksum "$program")"
    [ -x "$program" ] || say not-executable yes
  fi
  if [ "$scope" = system ]; then
    look_at_sshd
    say entry "$entry"
    say drop-in "$drop_in"
  else
    first=$(command -v $name)
    [ -z "$first" ] || [ "$first" = "$program" ] || say hidden-by "$first"
  fi
}

receive() {
  problem=$(mkdir -p "$directory" 2>&1) || fail "cannot make $directory: $problem"
  problem=$({ cat >"$new"; } 2>&1) || fail "cannot write into $directory: $problem" "make room there, or see to its permissions"
  got=$(checksum "$new")
  [ -n "$got" ] || fail "nothing here makes SHA-256 checksums (sha256sum, shasum, openssl, sha256)" "install one of them"
  [ "$got" = "$sha256" ] || fail "the program did not arrive whole" "try again: what was there before is untouched"
  chmod 755 "$new"
  problem=$("$new" --version 2>&1 >/dev/null </dev/null) ||
    fail "the program does not run there: ${problem:-it ended with status $?}" \
      "name one that was built for that system by \`--binary FILE\` (a static one runs everywhere)"
  # Where the file system can, the file is on the disk before it has its name.
  sync "$new" 2>/dev/null || :
}

write_entry() {
  problem=$(mkdir -p "${drop_in%/*}" 2>&1) || fail "cannot make ${drop_in%/*}: $problem"
  keep "$drop_in" "$old_drop_in"
  problem=$({
    printf '%s\n' "# Written by outlast install --system." "Subsystem outlast $program" >"$new_drop_in"
  } 2>&1) || fail "cannot write $drop_in: $problem"
  drop_in_touched=yes
  mv -f "$new_drop_in" "$drop_in"
  accept_or_fail
  case $(subsystem) in
  "$program" | "$program "*) ;;
  *) fail "sshd does not read $drop_in" \
    "everything is as it was before; put \`Include ${drop_in%/*}/*.conf\` at the top of $config" ;;
  esac
}

put() {
  [ "$scope" = user ] || look_at_sshd
  if [ -n "$sha256" ] && { [ ! -x "$program" ] || [ "$(checksum "$program")" != "$sha256" ]; }; then
    receive
    [ ! -d "$program" ] || fail "$program is a directory" "take it away"
    keep "$program" "$old"
    swapped=yes
    problem=$(mv -f "$new" "$program" 2>&1) || fail "cannot replace $program: $problem"
  fi
  if [ "$scope" = system ] && [ "$entry" != there ]; then
    write_entry
    reload_or_fail
  fi
  committed=yes
  say result changed
}

remove() {
  if [ ! -e "$program" ] && { [ "$scope" = user ] || ! is_ours; }; then
    committed=yes
    say result absent
    return
  fi
  count_sessions
  say sessions "$sessions"
  [ "$sessions" = 0 ] || [ "$force" = yes ] || fail "$sessions sessions go on there, and nobody would reach them" \
    "\`outlast remove\` ends them; with \`--force\` they go on, unreachable until it is installed again"
  if [ "$check" = yes ]; then
    committed=yes
    say result would-remove
    return
  fi
  if [ "$scope" = system ]; then
    find_sshd
    if is_ours; then
      keep "$drop_in" "$old_drop_in"
      drop_in_touched=yes
      rm -f "$drop_in"
      accept_or_fail
    fi
    case $(subsystem) in
    "$program" | "$program "*)
      fail "another line of sshd's configuration names $program" "take away that \`Subsystem outlast\` line first"
      ;;
    esac
    [ $drop_in_touched = no ] || reload_or_fail
  fi
  problem=$(rm -f "$program" 2>&1) || fail "cannot remove $program: $problem"
  committed=yes
  [ "$scope" = user ] || rmdir "$directory" 2>/dev/null || :
  say result removed
}

case $verb in
check)
  describe
  committed=yes
  say result checked
  ;;
put) put ;;
remove)
  say path "$program"
  remove
  ;;
esac
