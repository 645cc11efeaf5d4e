#!/bin/sh
# Makes sample logs of a day, runs the job on them, and asks three questions of the result; with
# --quiet it asks none.
set -eu
rm -rf demo
fixfeed sample --output demo/logs
echo
status=0
fixfeed --input 'demo/logs/*.log*' --output sqlite:///demo/fixfeed.db || status=$?
[ "${1-}" != --quiet ] || exit $status
echo
python tools/show.py demo/fixfeed.db \
    "select msg_type_name, count(*) as messages from messages_named group by 1 order by 2 desc limit 6" \
    "select symbol, count(*) as fills, sum(last_qty) as quantity, round(sum(last_qty * last_px), 2) as notional from fills where drop_copy = 0 group by symbol order by symbol" \
    "select defects, count(*) as messages, min(session) as for_example from messages where defects is not null group by 1 order by 2 desc limit 6"
exit $status
