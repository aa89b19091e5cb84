#!/bin/sh
# Figure 9: regularisation of DAPO. 3 trainings of 7B as published.
# Takes the options of papo reproduce: --plan, --seeds 3, --scale mini, ...
exec node "$(dirname "$0")/../../dist/cli/main.js" reproduce figure9 --scale paper "$@"
