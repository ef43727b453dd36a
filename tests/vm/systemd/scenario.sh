# The guest's scenario. Prints one line per step on the console: "ok NAME" or "not ok NAME: error". xtask knows the expected
# steps. The first boot ends before a restart, the second one at the end.
set -u
cd /lab
. /lab/steps.sh
if [ -e /lab/second-boot ]; then
    . /lab/second-boot.sh
else
    . /lab/first-boot.sh
    touch /lab/second-boot
fi
echo "EGRESS-GUEST-RESULT $failed"
sync
poweroff --force
