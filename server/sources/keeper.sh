# Runs a command, and leaves nothing of it behind: keeper.sh MARK COMMAND...
#
# It is the leader of a session and of a process group of its own. Its standard input is one end of
# a socket. When the other end is closed, or closes for writing, the server has ended, in
# whatever way, or wants the end. Once the command has ended, its exit code is written there.

mark=$1
shift
exec 3<&0 </dev/null

# What the command has started, also in sessions of its own: what has the mark in its environment,
# which children inherit. It needs /proc; without, it finds nothing.
find_all() {
  grep -lsF "RIACHO_KEPT=$mark" /proc/[0-9]*/environ
}

# Ends everything, this shell too. The search is done again, for what is found may have started
# more meanwhile.
end_all() {
  for _ in 1 2 3 4 5; do
    found=$(find_all)
    [ -n "$found" ] || break
    for one in $found; do
      one=${one#/proc/}
      kill -KILL "${one%/environ}"
    done
  done
  kill -KILL 0
}

# It must not hold the command's pipes open: `exec` keeps no copies, other redirections do.
watch() {
  exec >/dev/null 4>&-
  trap '' TERM
  read -r _ <&3
  kill -TERM 0
  sleep 1 # to write what is left
  end_all
}

# this shell outlives the group's SIGTERM, to tell the exit code, and a server that is not there
trap is_ending=1 TERM
trap : PIPE
exec 4>&2 2>/dev/null # a shell says of what signal a command has died
watch &
RIACHO_KEPT=$mark "$@" 2>&4 3<&- 4>&-
code=$?
# the command's shell has ended, but the programs that it has started may write what is left
while [ -n "$is_ending" ] && [ -n "$(find_all)" ]; do
  sleep 0.1 # until the watch ends everything
done
echo $code >&3
end_all
