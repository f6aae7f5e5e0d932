"""A sweep: the hyperparameters of each outer fold, chosen by its own dev speakers with Optuna."""
