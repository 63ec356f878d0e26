#!/bin/sh
# Puts everything that runs in an environment into one folder: out/shop.
set -e
python3 - shop/server shop/price.py <<'CHECK'
import sys
for path in sys.argv[1:]:
    compile(open(path).read(), path, "exec")
CHECK
rm -rf out
mkdir -p out
cp -R shop out/shop
rm -rf out/shop/__pycache__
echo "built $(find out/shop -type f | wc -l) files, version ${TRUNKLINE_VERSION:-unknown}"
