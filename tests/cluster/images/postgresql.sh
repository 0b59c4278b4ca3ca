#!/bin/sh
# The start of PostgreSQL in a pod: makes the database where there is none yet, and becomes the server.
set -e
if [ ! -e /data/db/PG_VERSION ]; then
  initdb --pgdata=/data/db --username=postgres --auth=trust --no-sync --encoding=UTF8 --locale=C >/dev/null
  echo 'host all all all trust' >>/data/db/pg_hba.conf
fi
exec postgres -D /data/db -c listen_addresses='*' -c unix_socket_directories=/data "$@"
