CREATE TABLE "datasets" (
	dataset_uuid VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(500) NOT NULL, 
	digest VARCHAR(36) NOT NULL, 
	dataset_source_type VARCHAR(36) NOT NULL, 
	dataset_source TEXT NOT NULL, 
	dataset_schema TEXT, 
	dataset_profile TEXT, 
	CONSTRAINT dataset_pk PRIMARY KEY (experiment_id, name, digest), 
	CONSTRAINT fk_datasets_experiment_id_experiments FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE
);
INSERT INTO "datasets" VALUES('d722b3091e744108aa2287b215be7e17',1,'zeros','2b679e2b','code','{"tags": {"mlflow.user": "root", "mlflow.source.name": "train.py", "mlflow.source.type": "LOCAL"}}','{"mlflow_tensorspec": {"features": "[{\"type\": \"tensor\", \"tensor-spec\": {\"dtype\": \"float64\", \"shape\": [-1, 2]}}]", "targets": null}}','{"features_shape": [3, 2], "features_size": 6, "features_nbytes": 48}');
CREATE TABLE "experiments" (
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	artifact_location VARCHAR(256), 
	lifecycle_stage VARCHAR(32), 
	creation_time BIGINT, 
	last_update_time BIGINT, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT experiment_pk PRIMARY KEY (experiment_id), 
	CONSTRAINT experiments_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
	CONSTRAINT uq_experiments_workspace_name UNIQUE (workspace, name)
);
INSERT INTO "experiments" VALUES(0,'Default','/srv/demo/mlruns/0','active',1795820061600,1795820061600,'default');
INSERT INTO "experiments" VALUES(1,'digits & co','/srv/demo/mlruns/1','active',1795820061635,1795820061635,'default');
CREATE TABLE input_tags (
	input_uuid VARCHAR(36) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	value VARCHAR(500) NOT NULL, 
	CONSTRAINT input_tags_pk PRIMARY KEY (input_uuid, name)
);
INSERT INTO "input_tags" VALUES('cbe0675047fc40df81aee3fbc8614624','mlflow.data.context','training');
CREATE TABLE inputs (
	input_uuid VARCHAR(36) NOT NULL, 
	source_type VARCHAR(36) NOT NULL, 
	source_id VARCHAR(36) NOT NULL, 
	destination_type VARCHAR(36) NOT NULL, 
	destination_id VARCHAR(36) NOT NULL, step BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT inputs_pk PRIMARY KEY (source_type, source_id, destination_type, destination_id)
);
INSERT INTO "inputs" VALUES('cbe0675047fc40df81aee3fbc8614624','DATASET','d722b3091e744108aa2287b215be7e17','RUN','cd2e18b760314865bd6e8b32966f9f18',0);
CREATE TABLE "metrics" (
	"key" VARCHAR(250) NOT NULL, 
	value FLOAT NOT NULL, 
	timestamp BIGINT NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	step BIGINT DEFAULT '0' NOT NULL, 
	is_nan BOOLEAN DEFAULT '0' NOT NULL, 
	CONSTRAINT metric_pk PRIMARY KEY ("key", timestamp, step, run_uuid, value, is_nan), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), 
	CHECK (is_nan IN (0, 1))
);
INSERT INTO "metrics" VALUES('loss',3.33333333333333314829e-01,1795820062735,'cd2e18b760314865bd6e8b32966f9f18',0,0);
INSERT INTO "metrics" VALUES('loss',0.25,1795820062787,'cd2e18b760314865bd6e8b32966f9f18',1,0);
INSERT INTO "metrics" VALUES('loss',0.2,1795820062818,'cd2e18b760314865bd6e8b32966f9f18',2,0);
INSERT INTO "metrics" VALUES('loss',1.66666666666666657414e-01,1795820062855,'cd2e18b760314865bd6e8b32966f9f18',3,0);
INSERT INTO "metrics" VALUES('no step',0.0,1795820062892,'cd2e18b760314865bd6e8b32966f9f18',0,1);
INSERT INTO "metrics" VALUES('no step',1.79769313486231562234e+308,1795820062921,'cd2e18b760314865bd6e8b32966f9f18',0,0);
INSERT INTO "metrics" VALUES('no step',2.0,1795820062951,'cd2e18b760314865bd6e8b32966f9f18',0,0);
INSERT INTO "metrics" VALUES('val/acc',0.5,1700000000123,'cd2e18b760314865bd6e8b32966f9f18',-2,0);
INSERT INTO "metrics" VALUES('system/cpu',12.5,1795820063018,'cd2e18b760314865bd6e8b32966f9f18',0,0);
INSERT INTO "metrics" VALUES('loss',1.0,1795820063236,'93309b5958a9492d9f2506e7359f0c8d',0,0);
INSERT INTO "metrics" VALUES('x',1.0,1795820064367,'8d77120cf24547f3bbdd20a6bc0ea267',0,0);
CREATE TABLE "params" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(8000) NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT param_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
INSERT INTO "params" VALUES('lr','0.1','cd2e18b760314865bd6e8b32966f9f18');
INSERT INTO "params" VALUES('width','64','cd2e18b760314865bd6e8b32966f9f18');
INSERT INTO "params" VALUES('act','relu','cd2e18b760314865bd6e8b32966f9f18');
INSERT INTO "params" VALUES('a/b','x','cd2e18b760314865bd6e8b32966f9f18');
INSERT INTO "params" VALUES('flag','True','cd2e18b760314865bd6e8b32966f9f18');
CREATE TABLE "runs" (
	run_uuid VARCHAR(32) NOT NULL, 
	name VARCHAR(250), 
	source_type VARCHAR(20), 
	source_name VARCHAR(500), 
	entry_point_name VARCHAR(50), 
	user_id VARCHAR(256), 
	status VARCHAR(9), 
	start_time BIGINT, 
	end_time BIGINT, 
	source_version VARCHAR(50), 
	lifecycle_stage VARCHAR(20), 
	artifact_uri VARCHAR(200), 
	experiment_id INTEGER, deleted_time BIGINT, 
	CONSTRAINT run_pk PRIMARY KEY (run_uuid), 
	CONSTRAINT runs_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
	CONSTRAINT source_type CHECK (source_type IN ('NOTEBOOK', 'JOB', 'LOCAL', 'UNKNOWN', 'PROJECT')), 
	FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CHECK (status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', 'KILLED'))
);
INSERT INTO "runs" VALUES('cd2e18b760314865bd6e8b32966f9f18','alpha','UNKNOWN','','','root','FINISHED',1795820062581,1795820064167,'','active','/srv/demo/mlruns/1/cd2e18b760314865bd6e8b32966f9f18/artifacts',1,NULL);
INSERT INTO "runs" VALUES('93309b5958a9492d9f2506e7359f0c8d','child','UNKNOWN','','','root','FINISHED',1795820063192,1795820063287,'','active','/srv/demo/mlruns/1/93309b5958a9492d9f2506e7359f0c8d/artifacts',1,NULL);
INSERT INTO "runs" VALUES('da7bf80d5c7a402aa3501db9094c3eb0','bad','UNKNOWN','','','root','FAILED',1795820064187,1795820064220,'','active','/srv/demo/mlruns/1/da7bf80d5c7a402aa3501db9094c3eb0/artifacts',1,NULL);
INSERT INTO "runs" VALUES('3462737f4eaf4700859d5ec265d3fb69','gone','UNKNOWN','','','root','FINISHED',1795820064248,1795820064284,'','deleted','/srv/demo/mlruns/1/3462737f4eaf4700859d5ec265d3fb69/artifacts',1,1795820064307);
INSERT INTO "runs" VALUES('8d77120cf24547f3bbdd20a6bc0ea267','open','UNKNOWN','','','root','RUNNING',1795820064331,NULL,'','active','/srv/demo/mlruns/1/8d77120cf24547f3bbdd20a6bc0ea267/artifacts',1,NULL);
CREATE TABLE "tags" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(8000), 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT tag_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
INSERT INTO "tags" VALUES('mlflow.user','root','cd2e18b760314865bd6e8b32966f9f18');
INSERT INTO "tags" VALUES('mlflow.source.name','train.py','cd2e18b760314865bd6e8b32966f9f18');
INSERT INTO "tags" VALUES('mlflow.source.type','LOCAL','cd2e18b760314865bd6e8b32966f9f18');
INSERT INTO "tags" VALUES('mlflow.note.content','a note','cd2e18b760314865bd6e8b32966f9f18');
INSERT INTO "tags" VALUES('mlflow.runName','alpha','cd2e18b760314865bd6e8b32966f9f18');
INSERT INTO "tags" VALUES('team','x','cd2e18b760314865bd6e8b32966f9f18');
INSERT INTO "tags" VALUES('mlflow.loggedImages','True','cd2e18b760314865bd6e8b32966f9f18');
INSERT INTO "tags" VALUES('mlflow.user','root','93309b5958a9492d9f2506e7359f0c8d');
INSERT INTO "tags" VALUES('mlflow.source.name','train.py','93309b5958a9492d9f2506e7359f0c8d');
INSERT INTO "tags" VALUES('mlflow.source.type','LOCAL','93309b5958a9492d9f2506e7359f0c8d');
INSERT INTO "tags" VALUES('mlflow.parentRunId','cd2e18b760314865bd6e8b32966f9f18','93309b5958a9492d9f2506e7359f0c8d');
INSERT INTO "tags" VALUES('mlflow.runName','child','93309b5958a9492d9f2506e7359f0c8d');
INSERT INTO "tags" VALUES('mlflow.user','root','da7bf80d5c7a402aa3501db9094c3eb0');
INSERT INTO "tags" VALUES('mlflow.source.name','train.py','da7bf80d5c7a402aa3501db9094c3eb0');
INSERT INTO "tags" VALUES('mlflow.source.type','LOCAL','da7bf80d5c7a402aa3501db9094c3eb0');
INSERT INTO "tags" VALUES('mlflow.runName','bad','da7bf80d5c7a402aa3501db9094c3eb0');
INSERT INTO "tags" VALUES('mlflow.user','root','3462737f4eaf4700859d5ec265d3fb69');
INSERT INTO "tags" VALUES('mlflow.source.name','train.py','3462737f4eaf4700859d5ec265d3fb69');
INSERT INTO "tags" VALUES('mlflow.source.type','LOCAL','3462737f4eaf4700859d5ec265d3fb69');
INSERT INTO "tags" VALUES('mlflow.runName','gone','3462737f4eaf4700859d5ec265d3fb69');
INSERT INTO "tags" VALUES('mlflow.user','root','8d77120cf24547f3bbdd20a6bc0ea267');
INSERT INTO "tags" VALUES('mlflow.source.name','train.py','8d77120cf24547f3bbdd20a6bc0ea267');
INSERT INTO "tags" VALUES('mlflow.source.type','LOCAL','8d77120cf24547f3bbdd20a6bc0ea267');
INSERT INTO "tags" VALUES('mlflow.runName','open','8d77120cf24547f3bbdd20a6bc0ea267');
