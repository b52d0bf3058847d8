"""Our own list of types that a model file may hold, beside scikit-learn's estimators and NumPy's numbers.

skops trusts estimators, losses, containers and arrays by itself. What stands here it leaves to us: private parts of
scikit-learn's fitted models. None of them runs code of the file's choosing; trees are checked after loading
(`model_checks`), since scikit-learn follows their indices without looking. Functions are named one by one.
"""

from __future__ import annotations

_BY_MODULE: dict[str, str] = {
    "numpy": "dtype",
    "sklearn.tree._tree": "Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor": "TreePredictor",
    "sklearn.calibration": "_CalibratedClassifier _SigmoidCalibration _TemperatureScaling",
    "sklearn.neighbors._kd_tree": "KDTree",
    "sklearn.neighbors._ball_tree": "BallTree",
    "sklearn.metrics._dist_metrics": (
        "BrayCurtisDistance64 CanberraDistance64 ChebyshevDistance64 DiceDistance64 EuclideanDistance64 "
        "HammingDistance64 HaversineDistance64 JaccardDistance64 MahalanobisDistance64 ManhattanDistance64 "
        "MinkowskiDistance64 RogersTanimotoDistance64 RussellRaoDistance64 SEuclideanDistance64 "
        "SokalMichenerDistance64 SokalSneathDistance64"
    ),
    "sklearn.multiclass": "_ConstantPredictor",
    "sklearn.neural_network._stochastic_optimizers": "AdamOptimizer SGDOptimizer",
    "sklearn.gaussian_process._gpc": "_BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels": (
        "CompoundKernel ConstantKernel DotProduct ExpSineSquared Exponentiation Matern PairwiseKernel Product RBF "
        "RationalQuadratic Sum WhiteKernel"
    ),
    "sklearn._loss.loss": "HalfTweedieLoss HalfTweedieLossIdentity",
    "sklearn.utils._bunch": "Bunch",
    "sklearn.utils._metadata_requests": "MetadataRequest MethodMetadataRequest",
    # our own: it holds estimators, each of which is judged by itself
    "workers.routing": "RoutedModel",
    # what neighbours and support vector machines keep of sparse rows; checked after loading, too
    "scipy.sparse._csr": "csr_matrix",
    # other libraries: a booster's state is bytes that its own reader parses
    "collections": "OrderedDict",
    "workers.cat_boosting": "CatBoostClassifier CatBoostRegressor",
    "lightgbm.basic": "Booster",
    "lightgbm.sklearn": "LGBMClassifier LGBMRegressor",
    "xgboost.core": "Booster",
    "xgboost.sklearn": "XGBClassifier XGBRegressor XGBRFClassifier XGBRFRegressor",
    # the scorers that TunedThresholdClassifierCV and the *CV estimators keep, with the metrics they call
    "sklearn.metrics._scorer": "_CurveScorer _Scorer _PassthroughScorer",
    "sklearn.metrics._classification": (
        "accuracy_score balanced_accuracy_score brier_score_loss f1_score log_loss matthews_corrcoef "
        "precision_score recall_score"
    ),
    "sklearn.metrics._ranking": "average_precision_score roc_auc_score",
    "sklearn.metrics._regression": (
        "mean_absolute_error mean_absolute_percentage_error mean_squared_error median_absolute_error r2_score "
        "root_mean_squared_error"
    ),
    # the score functions of SelectKBest and its kin
    "sklearn.feature_selection._univariate_selection": "chi2 f_classif f_regression",
    "sklearn.feature_selection._mutual_info": "mutual_info_classif mutual_info_regression",
}

ALLOWED: frozenset[str] = frozenset(
    f"{module}.{name}" for module, names in _BY_MODULE.items() for name in names.split()
)
"""Fully qualified names, as skops writes them into a file."""
