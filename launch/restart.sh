#!/usr/bin/env bash
# Give a command again after a preemption (exit status 75) or a death by signal, until it ends by itself.
# Needs bash 4 or later, and a command that goes on where it stopped, as those of jser do.
#
#   launch/restart.sh jser train --config=dcnn_blstm:emodb --workdir=runs/emodb
#
# Stops with the command's own status at 0, 1, 2, 70, 130 and any other. SIGTERM and SIGINT go to the command
# and end the restarts. From the environment:
#   JSER_RESTARTS=100       restarts at most
#   JSER_RESTART_WAIT=10    seconds before the first; doubled after each attempt of less than ten minutes, to 300
#   JSER_RESTART_ALSO=70    further statuses to restart at: of many machines, one that dies looks like a bug to its peers
set -uo pipefail
set -m # A command in the background would ignore SIGINT without it.

if [ $# -eq 0 ]; then
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
for number in "${JSER_RESTARTS:=100}" "${JSER_RESTART_WAIT:=10}"; do
  [[ $number =~ ^[0-9]+$ ]] && continue
  echo "launch/restart.sh: JSER_RESTARTS and JSER_RESTART_WAIT must be whole numbers, not '$number'" >&2
  exit 2
done

stopped='' heard='' child=''
forward() {
  heard=1 stopped=1
  [ -z "$child" ] || kill -s "$1" "$child" 2>/dev/null
}
trap 'forward TERM' TERM
trap 'forward INT' INT

delay=$JSER_RESTART_WAIT
for ((count = 0; ; count++)); do
  started=$SECONDS
  "$@" &
  child=$!
  [ -z "$stopped" ] || kill -TERM "$child" 2>/dev/null
  while true; do
    heard=''
    wait "$child"
    status=$?
    [ -n "$heard" ] || break # A trap interrupts `wait`: it is asked again for the command's own status.
  done
  child=''

  case $status in
    75) why="was preempted" ;;
    130) exit 130 ;;
    129 | 1[3-8][0-9] | 19[0-2]) why="died of signal $((status - 128))" ;;
    *)
      [[ $status != 0 && " ${JSER_RESTART_ALSO:-} " == *" $status "* ]] || exit "$status"
      why="ended with status $status"
      ;;
  esac
  [ -z "$stopped" ] || exit "$status"
  if ((count >= JSER_RESTARTS)); then
    echo "launch/restart.sh: the command $why, after $count restarts; given up" >&2
    exit "$status"
  fi
  ((SECONDS - started < 600)) || delay=$JSER_RESTART_WAIT
  echo "launch/restart.sh: the command $why; again in $delay s (restart $((count + 1)) of at most $JSER_RESTARTS)" >&2
  sleep "$delay" &
  child=$!
  wait "$child"
  child=''
  [ -z "$stopped" ] || exit "$status"
  ((delay = delay * 2 > 300 ? 300 : delay * 2))
done
