"""`wandb.integration` is not offered: libraries are recorded without it."""

raise ImportError(
    "wandb.integration is not offered by Samebit: Keras, XGBoost, LightGBM and others are recorded "
    "without it; log what you want to see by wandb.log"
)
