"""The names of wandb 0.31: those of its `__all__`, and the rest that scripts reach for."""

ALL = """
Api ArtifactTTL Audio EvalTable Graph Histogram Html Image Molecule Object3D Plotly Run Table Video
__version__ agent box3d config controller define_metric finish init join link_model log log_artifact
log_model plot_table save setup summary sweep unwatch use_artifact use_model watch
"""
REST = """
AlertLevel Artifact Classes CommError Config Error JoinedTable Settings UsageError alert api apis
attach data_types ensure_configured env errors login mark_preempting patched pin_config_keys plot
require restore run sdk teardown termerror termlog termsetup termwarn util visualize
"""
NOT_OFFERED = "catboost gym integration jupyter keras lightgbm sacred sklearn tensorboard xgboost"
