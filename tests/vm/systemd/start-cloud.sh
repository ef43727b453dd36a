# Starts the cloud, and returns once it answers.
set -eu
mkdir -p /run/lab
for module in /lab/modules/*; do insmod "$module"; done
# The scenario requested a boot without a resolver.
[ ! -e /lab/silent ] || touch /run/lab/silent
/lab/egress-guest cloud /run/lab </dev/null >/run/lab/cloud.log 2>&1 &
until [ -e /run/lab/ready ]; do
    kill -0 $! || { cat /run/lab/cloud.log; exit 1; }
    sleep 0.1
done
