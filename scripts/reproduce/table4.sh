#!/bin/sh
# Table 4: weight γ of the perception loss. 5 trainings of 3B as published.
# Takes the options of papo reproduce: --plan, --seeds 3, --scale mini, ...
exec node "$(dirname "$0")/../../dist/cli/main.js" reproduce table4 --scale paper "$@"
