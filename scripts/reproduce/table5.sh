#!/bin/sh
# Table 5: regularisation at a large γ. 3 trainings of 7B as published.
# Takes the options of papo reproduce: --plan, --seeds 3, --scale mini, ...
exec node "$(dirname "$0")/../../dist/cli/main.js" reproduce table5 --scale paper "$@"
