"""Plans, engines, fitting, training, inference, evaluation and the command line."""
