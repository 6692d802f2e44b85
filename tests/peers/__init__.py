"""Foreign stacks, in processes and environments of their own: nothing here imports ours, nothing of ours imports them."""
