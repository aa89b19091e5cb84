#!/bin/sh
# Table 10: regularisation of DAPO. 3 trainings of 7B as published.
# Takes the options of papo reproduce: --plan, --seeds 3, --scale mini, ...
exec node "$(dirname "$0")/../../dist/cli/main.js" reproduce table10 --scale paper "$@"
