#!/bin/sh
# Asks a running shop what a customer would ask: ./smoke.sh http://127.0.0.1:8102
set -e
SHOP_URL="$1" exec python3 tests/run.py smoke smoke.xml
