#!/bin/sh
# Figure 5: regularisation at a large γ. 4 trainings of 7B as published.
# Takes the options of papo reproduce: --plan, --seeds 3, --scale mini, ...
exec node "$(dirname "$0")/../../dist/cli/main.js" reproduce figure5 --scale paper "$@"
