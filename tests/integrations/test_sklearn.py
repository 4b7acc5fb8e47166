"""scikit-learn's door: fits with their parameters, scores and estimators; nothing is changed."""

from typing import Any

import pytest

from samebit.folders.read import View
from samebit.session.reading import RecordedRun
from tests.projects import SAMEBIT, Project

pytest.importorskip("sklearn")

SCRIPT = """
import hashlib, random, sys
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

if sys.argv[1] == "door":
    import samebit
    samebit.sklearn.autolog(training_score=True)

class Half(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.n_ = X.shape[1] // 2
        return self
    def transform(self, X):
        return X[:, :self.n_]

np.random.seed(3)
random.seed(3)
X, y = make_classification(120, 8, random_state=0)
pipe = make_pipeline(StandardScaler(), RandomForestClassifier(5)).fit(X, y)
grid = {"logisticregression__C": [0.1, 1.0]}
search = GridSearchCV(make_pipeline(Half(), LogisticRegression()), grid, cv=3, n_jobs=2).fit(X, y)
scores = cross_validate(LogisticRegression(), X, y, cv=4, scoring=["accuracy", "roc_auc"])
wide = StandardScaler().fit_transform(X)
try:
    LogisticRegression(C=-1).fit(X, y)
except ValueError as error:
    print(type(error).__name__)
if sys.argv[1] == "door":
    samebit.sklearn.autolog(disable=True)
last = LogisticRegression(C=7).fit(wide, y)
seen = [pipe.predict_proba(X), search.cv_results_["mean_test_score"], scores["test_roc_auc"],
        last.coef_, np.random.get_state()[1], np.float64(random.random())]
print([hashlib.sha256(np.ascontiguousarray(one).tobytes()).hexdigest()[:12] for one in seen])
"""


def metric(view: View, name: str) -> dict[int, Any]:
    found = RecordedRun(view).metrics()[name]
    return dict(zip(found["step"], found["value"], strict=True))


@pytest.mark.slow
def test_fits_are_recorded_once_and_stay_what_they_were(project: Project) -> None:
    project.write("a.py", SCRIPT)
    alone = project.python("a.py", "alone", PYTHONHASHSEED="1")
    assert alone.code == 0, alone
    plain = project.python("a.py", "door", PYTHONHASHSEED="1")
    recorded = project.run("a.py", "door", PYTHONHASHSEED="1")
    assert (plain.code, plain.out) == (0, alone.out), plain
    assert (recorded.code, recorded.out) == (0, alone.out), recorded
    for view in project.views():
        # The pipeline, the search, the validation, the scaler; nothing of what these fit, of the
        # fit that failed its parameters alone, and nothing after it was turned off.
        assert [row.count for row in view.trace] == [1, 2, 3, 4]
        told = RecordedRun(view).config["sklearn"]
        assert told["Pipeline"]["randomforestclassifier__n_estimators"] == 5
        assert told["Pipeline"]["unseeded"] == ["randomforestclassifier__random_state"]
        assert told["GridSearchCV"]["cv"] == 3
        assert told["GridSearchCV"]["unseeded_in_workers"] == [
            "estimator__logisticregression__random_state"
        ]
        assert not {"unseeded_in_workers"} & {*told["Pipeline"], *told["LogisticRegression"]}
        assert told["LogisticRegression-2"]["C"] == -1
        assert set(told) == {
            "Pipeline",
            "GridSearchCV",
            "LogisticRegression",
            "StandardScaler",
            "LogisticRegression-2",
        }
        assert metric(view, "GridSearchCV/param_logisticregression__C") == {0: 0.1, 1: 1.0}
        assert len(metric(view, "GridSearchCV/mean_test_score")) == 2
        assert metric(view, "GridSearchCV/best_logisticregression__C")[2] in (0.1, 1.0)
        assert set(metric(view, "LogisticRegression/test_roc_auc")) == {0, 1, 2, 3}
        assert 0.5 < metric(view, "LogisticRegression/mean_test_accuracy")[3] <= 1
        assert metric(view, "Pipeline/training_score")[1] > 0.9
        assert not [name for name in RecordedRun(view).metrics() if "time" in name]
        assert view.states["final"].get("step") == 4
        assert not view.all_facts("problem") or view is project.views()[0]
    judged = project.call(SAMEBIT, "verify", project.views()[-1].id)
    assert judged.code == 0, judged
    assert judged.out.startswith("identical"), judged
    assert "steps 1 to 4" in judged.out
