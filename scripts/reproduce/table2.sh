#!/bin/sh
# Table 2: pAPO together with NoisyRollout. 2 trainings of 3B as published.
# Takes the options of papo reproduce: --plan, --seeds 3, --scale mini, ...
exec node "$(dirname "$0")/../../dist/cli/main.js" reproduce table2 --scale paper "$@"
