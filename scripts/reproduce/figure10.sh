#!/bin/sh
# Figure 10: γ without the KL to the reference. 3 trainings of 7B as published.
# Takes the options of papo reproduce: --plan, --seeds 3, --scale mini, ...
exec node "$(dirname "$0")/../../dist/cli/main.js" reproduce figure10 --scale paper "$@"
