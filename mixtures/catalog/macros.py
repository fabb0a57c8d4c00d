"""The table macros of the catalog: the weights of mixtures in SQL, from the pinned sizes alone."""

from collections.abc import Mapping
from dataclasses import dataclass

from ib_data.mixtures.catalog.relations import COUNTED, NUMBER, SKIPS, TEXT, WHOLE


@dataclass(frozen=True, slots=True)
class Macro:
    """A table macro: what a row of its result is, its parameters, the result's columns, and the SELECT."""

    about: str
    parameters: str
    columns: Mapping[str, str]
    select: str


# An unknown name must not give an empty result, which looks like an empty mixture. `concat`, not `||`: error(NULL)
# raises nothing.
_KNOWN_MIXTURE = """
    CASE WHEN mixture_name IN (SELECT mixture FROM mixture_stages) THEN mixture_name
    ELSE error(concat('unknown mixture ''', mixture_name, '''; known: ', (
        SELECT string_agg(DISTINCT mixture, ', ' ORDER BY mixture) FROM mixture_stages))) END
"""
_MEMBER = {"member": TEXT, "dataset": TEXT, "split": TEXT}
# A macro may only use macros defined before it.
MACROS: Mapping[str, Macro] = {
    "mixture_stage_weights": Macro(
        "a member in a stage of a mixture, with its weight there",
        "mixture_name",
        {"start_position": WHOLE, "end_position": WHOLE}
        | _MEMBER
        | {"task": TEXT, "size": WHOLE, "cap": WHOLE, "rule": TEXT, "scale": NUMBER, "weight": NUMBER},
        f"""
        WITH sized AS (
            SELECT s.*, m.dataset, m.split, m.task, m.size, m.cap, m.fixed_weight, least(m.size, m.cap) AS counted
            FROM mixture_stages AS s JOIN mixture_members AS m USING (mixture, member)
            WHERE s.mixture = {_KNOWN_MIXTURE}
        ), ruled AS (
            SELECT *, scale * CASE rule
                WHEN 'sqrt' THEN sqrt(counted)
                WHEN 'proportional' THEN counted
                WHEN 'uniform' THEN 1
                WHEN 'temperature' THEN pow(counted, exponent)
                WHEN 'fixed' THEN fixed_weight
                ELSE error('the rule ' || rule || ' has no SQL') END AS unscaled
            FROM sized
        )
        SELECT start_position, end_position, member, dataset, split, task, size, cap, rule, scale,
               unscaled / sum(unscaled) OVER (PARTITION BY start_position) AS weight
        FROM ruled
        ORDER BY start_position, weight DESC, member
        """,
    ),
    "mixture_weights": Macro(
        "a member of a mixture, with its weight at a position",
        "mixture_name, at_position := 0",
        _MEMBER | {"size": WHOLE, "scale": NUMBER, "weight": NUMBER},
        """
        SELECT member, dataset, split, size, scale, weight
        FROM mixture_stage_weights(mixture_name)
        WHERE start_position <= CASE WHEN at_position >= 0 THEN at_position
                                ELSE error('at_position: expected a position from 0 on') END
          AND (end_position IS NULL OR end_position > at_position)
        ORDER BY weight DESC, member
        """,
    ),
    "expected_epochs": Macro(
        "a member of a mixture, with its samples in a run and how often they go over what is built",
        "mixture_name, num_samples",
        _MEMBER
        | {"weight": NUMBER, "samples": NUMBER, "size": WHOLE, "built": WHOLE, "epochs": NUMBER, "epoch_size": WHOLE},
        f"""
        WITH run AS (
            SELECT CASE WHEN num_samples > 0 AND isfinite(CAST(num_samples AS DOUBLE)) THEN CAST(num_samples AS DOUBLE)
                   ELSE error('num_samples: expected a number above 0') END AS length
        ), shares AS (
            SELECT member, dataset, split, size, sum(weight * greatest(
                       least(coalesce(end_position, length), length) - start_position, 0)) AS samples
            FROM mixture_stage_weights(mixture_name), run
            GROUP BY ALL
        ), units AS (
            SELECT m.member, m.size, d.num_annotations, CASE
                       WHEN m.counts <> 'conversations' THEN d.num_annotations
                       WHEN c.problem IS NULL OR {SKIPS} THEN c.num_conversations
                       ELSE error(c.problem) END AS built
            FROM mixture_members AS m
            LEFT JOIN datasets AS d ON d.name = m.dataset AND d.split = m.split
            LEFT JOIN {COUNTED} AS c ON c.dataset = m.dataset AND c.split = m.split
            WHERE m.mixture = mixture_name
        ), counted AS (
            SELECT member, built, CASE WHEN num_annotations > 0 THEN num_annotations ELSE size END AS epoch_size
            FROM units
        )
        SELECT s.member, s.dataset, s.split, s.samples / run.length AS weight, s.samples, s.size, c.built,
               s.samples / c.epoch_size AS epochs, c.epoch_size
        FROM shares AS s CROSS JOIN run JOIN counted AS c USING (member)
        ORDER BY s.samples DESC, s.member
        """,
    ),
}
