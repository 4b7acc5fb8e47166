"""What three checklists ask, in our own words, and what records show of it.

NeurIPS' paper checklist (16 items, as of 2025), the machine learning reproducibility checklist of
Pineau and others (version 2.0, with what *ACL and AAAI ask besides), and the ML code completeness
checklist. An answer is only ever proposed, and most are not: what a record cannot know is left to
whoever signs.
"""

from collections.abc import Callable, Sequence

from msgspec import Struct

from samebit.errors import UsageError
from samebit.report.amounts import counted
from samebit.report.checklist import assets, method, outcomes
from samebit.report.checklist.project import Evidence, Project, configurations, missing_of, of

__all__ = ["CHECKLISTS", "Answer", "Checklist", "fill"]

_Finds = Callable[[Project], Evidence]
_Proposes = Callable[[Project], tuple[str, str]]


class _Asked(Struct, frozen=True):
    """One item as it is asked."""

    number: str
    title: str
    finds: tuple[_Finds, ...] = ()
    proposes: _Proposes | None = None


class Answer(Struct, frozen=True):
    """One item with what records show.

    Attributes:
        number: of the item in its checklist.
        title: what it asks.
        proposed: Yes, No or NA; empty where only people can say.
        why: the reason for that, also where nothing is proposed but something could be said.
        evidence: what the records show, and of what they show nothing.
    """

    number: str
    title: str
    proposed: str = ""
    why: str = ""
    evidence: tuple[Evidence, ...] = ()


class Checklist(Struct, frozen=True):
    """A checklist with what records show of each of its items."""

    key: str
    title: str
    about: str
    answers: tuple[Answer, ...]


def fill(key: str, project: Project) -> Checklist:
    """Fill a checklist; UsageError where there is none of that name, or no run."""
    if key not in CHECKLISTS:
        raise UsageError(f"no checklist {key!r}", known=", ".join(CHECKLISTS))
    if not project.runs:
        raise UsageError("a checklist needs runs", hint="`samebit ls` lists them")
    title, asked = CHECKLISTS[key]
    about = counted(len(project.runs), "run")
    if project.others:
        about += f" of {len(project.every):,} in the project"
    return Checklist(key, title, about, tuple(_answer(one, project) for one in asked))


def _answer(asked: _Asked, project: Project) -> Answer:
    proposed, why = asked.proposes(project) if asked.proposes is not None else ("", "")
    found = tuple(finds(project) for finds in asked.finds)
    return Answer(asked.number, asked.title, proposed, why, found)


def _lacking(project: Project, wanted: Sequence[tuple[str, Sequence[str]]]) -> str:
    """The first thing that a run lacks, in words; a thing is there with any of its keys."""
    for what, keys in wanted:
        without = [
            row
            for row in project.runs
            if not any(
                key == k or key.startswith(k) for key in row for k in keys if row[key] is not None
            )
        ]
        if without:
            return f"{what} not recorded of {of(len(without), len(project.runs))}"
    return ""


def _reproducible(project: Project) -> tuple[str, str]:
    wanted = [
        ("the code is", ("code.tree",)),
        ("the software is", ("software.python",)),
        ("a seed is", ("seed", "seeds.")),
    ]
    if lack := _lacking(project, wanted):
        return "", lack
    lost = sum("randomness" in missing_of(row) for row in project.runs)
    if lost:
        return "", f"something random cannot be given back in {of(lost, len(project.runs))}"
    grades = [row.get("verified") for row in project.runs]
    differing = [grade for grade in grades if grade in ("different", "unknown")]
    if differing:
        return "", f"{of(len(differing), len(grades))} came out as {differing[0]} when run again"
    again = sum(grade is not None for grade in grades)
    if not again:
        return "", "everything to run them again is recorded, and none was run again yet"
    return "Yes", f"everything is recorded, and {of(again, len(grades))} came out again"


def _open_access(_: Project) -> tuple[str, str]:
    return "", "whether others get code and data, and where, only you know"


def _detailed(project: Project) -> tuple[str, str]:
    wanted = [
        ("hyper-parameters are", ("config.", "optimizer.")),
        ("which data is", ("data.", "split_digest.")),
    ]
    if lack := _lacking(project, wanted):
        return "", lack
    return "Yes", "hyper-parameters and data are recorded of every run; say how you chose them"


def _significant(project: Project) -> tuple[str, str]:
    groups = configurations(row for row in project.runs if row.get("state") == "finished")
    if not groups:
        return "", "no run has finished"
    single = sum(len(group) == 1 for group in groups)
    if single == len(groups):
        return "No", f"one finished run of {of(single, len(groups), 'configuration')}"
    if single:
        return "", f"one finished run alone of {of(single, len(groups), 'configuration')}"
    least = min(map(len, groups))
    return "Yes", f"at least {least} finished runs of each configuration; say what the bars are"


def _computed(project: Project) -> tuple[str, str]:
    if lack := _lacking(project, [("the machine is", ("machine.device",))]):
        return "", lack
    unknown = sum(outcomes.seconds_of(row) is None for row in project.every)
    if unknown:
        return "", f"how long it took is not known of {of(unknown, len(project.every))}"
    return "Yes", "machine and time are recorded of every run of the project"


def _new_assets(project: Project) -> tuple[str, str]:
    if any(row.get("state.final") == "kept" for row in project.runs):
        return "", "if you give the trained models to others, they are new assets"
    return "", "NA if you give neither code, data nor models to others"


_NEURIPS = (
    _Asked("1", "Claims: abstract and introduction say what the paper really shows"),
    _Asked("2", "Limitations are discussed"),
    _Asked("3", "Theory: every assumption is stated, every proof is complete"),
    _Asked(
        "4",
        "Reproducibility: the paper says all that is needed to get its main results again",
        (outcomes.verdicts, method.code, method.environment, method.seeds, assets.models),
        _reproducible,
    ),
    _Asked(
        "5",
        "Open access to data and code, with instructions that suffice",
        (method.code, method.commands, assets.requirements, assets.readme, method.data),
        _open_access,
    ),
    _Asked(
        "6",
        "Setting: data splits, hyper-parameters, how they were chosen, optimizer",
        (
            method.splits,
            method.leaks,
            method.data,
            method.settings,
            method.optimizer,
            method.search,
            method.chosen,
            outcomes.tests,
            outcomes.validation,
        ),
        _detailed,
    ),
    _Asked(
        "7",
        "Statistical significance: error bars, and what they capture",
        (outcomes.error_bars, method.seeds, outcomes.fates),
        _significant,
    ),
    _Asked(
        "8",
        "Compute: which machines, how long a run, how much in all, also what is not shown",
        (method.hardware, outcomes.run_time, outcomes.compute, outcomes.fates),
        _computed,
    ),
    _Asked("9", "Ethics: the research keeps to the code of ethics"),
    _Asked("10", "Broader impacts, good and bad, are discussed"),
    _Asked("11", "Safeguards for what could be misused"),
    _Asked(
        "12",
        "Licences of what others made: credited, and their terms kept to",
        (assets.assets, assets.licences),
    ),
    _Asked(
        "13",
        "New assets: documented, with a licence, given along",
        (assets.models, assets.own_licence, assets.readme),
        _new_assets,
    ),
    _Asked("14", "People as subjects: instructions, screens, what they were paid"),
    _Asked("15", "People as subjects: risks, and who approved the study"),
    _Asked("16", "Language models as a part of the method are declared"),
)

_ML_REPRO = (
    _Asked(
        "1.1",
        "Models: the setting, the algorithm and the model are described",
        (method.parameters, method.optimizer),
    ),
    _Asked("1.2", "Models: what is assumed is explained"),
    _Asked(
        "1.3",
        "Models: how time, memory and samples grow is analysed",
        (outcomes.run_time,),
    ),
    _Asked("2.1", "Theory: what is claimed is stated"),
    _Asked("2.2", "Theory: every claim has its whole proof"),
    _Asked("3.1", "Data: statistics such as the number of examples", (method.data,)),
    _Asked(
        "3.2", "Data: which part is for training, validation, test", (method.splits, method.leaks)
    ),
    _Asked(
        "3.3",
        "Data: what was left out, and every step of preprocessing",
        (method.preprocessing,),
    ),
    _Asked("3.4", "Data: where to get it, or a simulation of it", (assets.assets,)),
    _Asked("3.5", "New data: how it was collected, and how its quality was kept"),
    _Asked("4.1", "Code: what it depends on", (method.environment, assets.requirements)),
    _Asked("4.2", "Code: the training", (method.code, method.commands)),
    _Asked("4.3", "Code: the evaluation", (assets.evaluation,)),
    _Asked("4.4", "Code: trained models", (assets.models,)),
    _Asked(
        "4.5",
        "Code: a README with a table of results and the exact command of each",
        (assets.readme, method.commands),
    ),
    _Asked(
        "5.1",
        "Results: the range of hyper-parameters considered, how the best were chosen, all of them",
        (method.search, method.chosen, method.settings),
    ),
    _Asked(
        "5.2",
        "Results: the exact number of training and evaluation runs",
        (outcomes.fates, outcomes.tests),
    ),
    _Asked("5.3", "Results: each measure is defined", (outcomes.measures,)),
    _Asked("5.4", "Results: central tendency and variation", (outcomes.error_bars,), _significant),
    _Asked(
        "5.5", "Results: mean time of each, or its energy", (outcomes.run_time, outcomes.compute)
    ),
    _Asked("5.6", "Results: the machines", (method.hardware,), _computed),
    _Asked("6.1", "Besides (*ACL): the number of parameters", (method.parameters,)),
    _Asked(
        "6.2", "Besides (*ACL): the validation score of each test score", (outcomes.validation,)
    ),
    _Asked("6.3", "Besides (AAAI): how seeds were set", (method.seeds,)),
    _Asked("6.4", "Besides (AAAI): versions of software", (method.environment,)),
)

_COMPLETENESS = (
    _Asked("1", "Dependencies", (assets.requirements, method.environment)),
    _Asked("2", "Training code", (method.code, method.commands)),
    _Asked("3", "Evaluation code", (assets.evaluation,)),
    _Asked("4", "Pre-trained models", (assets.models,)),
    _Asked(
        "5",
        "README with a table of results and the precise command for each",
        (assets.readme, outcomes.verdicts),
    ),
)

CHECKLISTS: dict[str, tuple[str, tuple[_Asked, ...]]] = {
    "neurips": ("NeurIPS paper checklist", _NEURIPS),
    "ml-repro": ("Machine learning reproducibility checklist", _ML_REPRO),
    "completeness": ("ML code completeness checklist", _COMPLETENESS),
}
