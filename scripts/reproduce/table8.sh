#!/bin/sh
# Table 8: without the KL to the reference. 6 trainings of 3B and 7B as published.
# Takes the options of papo reproduce: --plan, --seeds 3, --scale mini, ...
exec node "$(dirname "$0")/../../dist/cli/main.js" reproduce table8 --scale paper "$@"
