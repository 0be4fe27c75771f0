"""The Beam engine: one pipeline for any runner, results and dead letters as outputs, models once a process."""

import functools
import json

import apache_beam as beam
import pytest
from apache_beam.coders import coder_impl, coders
from apache_beam.options.pipeline_options import DirectOptions, PortableOptions, WorkerOptions
from apache_beam.portability import common_urns, python_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.job.utils import dict_to_struct
from apache_beam.runners.portability.portable_runner import PortableRunner
from apache_beam.testing.test_pipeline import TestPipeline as LocalPipeline
from apache_beam.testing.util import assert_that, equal_to

from pipelines.config import BeamEngineConfig
from pipelines.engines.beam import DROPPED, BeamEngine, ProcessShard, build
from pipelines.yaml_config import read_yaml, validate
from schemas.errors import EngineError, UserError
from tests.fake_job import FakeJob

RUNNERS = ("dataflow", "flink", "spark")


def engine_of(name: str) -> BeamEngine:
    section = read_yaml(f"jobs/beam/{name}.yaml")["engine"]
    engine = validate(BeamEngineConfig, section, where=name).build("memory://bucket/out/.work")
    assert isinstance(engine, BeamEngine)
    return engine


@functools.cache
def proto_of(name: str) -> beam_runner_api_pb2.Pipeline:
    """What goes to the runner; the runner itself is not needed for it."""
    engine = engine_of(name)
    options = engine.pipeline_options()
    pipeline = beam.Pipeline(runner="DirectRunner", options=options)
    build(pipeline, FakeJob("notes"), range(8), "memory://bucket/out/.work/results")
    if engine.runner == "DataflowRunner":
        image = options.view_as(WorkerOptions).sdk_container_image
        options.view_as(PortableOptions).environment_type = "DOCKER"
        options.view_as(PortableOptions).environment_config = image
    environment = PortableRunner._create_environment(options)
    return pipeline.to_runner_api(default_environment=environment)


@pytest.mark.parametrize("name", RUNNERS)
def test_the_job_files_become_portable_pipelines(name):
    proto = proto_of(name)
    transforms = {t.unique_name: t for t in proto.components.transforms.values()}
    pardo = next(
        t
        for name, t in transforms.items()
        if name.startswith("ProcessShard") and t.spec.urn == common_urns.primitives.PAR_DO.urn
    )
    assert DROPPED in pardo.outputs
    assert len(pardo.outputs) == 2
    assert {"Shards", "Spread", "Number", "Deliver", "CountDropped"} <= {n.split("/")[0] for n in transforms}
    # the function travels with its setup
    payload = beam_runner_api_pb2.ParDoPayload.FromString(pardo.spec.payload)
    assert payload.do_fn.urn == python_urns.PICKLED_DOFN_INFO
    assert common_urns.requirements.REQUIRES_STATEFUL_PROCESSING.urn not in proto.requirements


@pytest.mark.parametrize("name", RUNNERS)
def test_what_is_shuffled_is_shard_numbers_alone(name):
    """Audio in a shuffle would cost more than the work; and keys must encode the same way in every process."""
    proto = proto_of(name)
    parts = proto.components
    grouped = [t for t in parts.transforms.values() if t.spec.urn == common_urns.primitives.GROUP_BY_KEY.urn]
    for transform in grouped:
        for collection in transform.inputs.values():
            coder = parts.coders[parts.pcollections[collection].coder_id]
            assert coder.spec.urn == common_urns.coders.KV.urn
            key = parts.coders[coder.component_coder_ids[0]]
            assert key.spec.urn in {common_urns.coders.VARINT.urn, common_urns.coders.BYTES.urn}
    shards = next(
        parts.pcollections[c]
        for t in parts.transforms.values()
        if t.unique_name.split("/")[0] == "ProcessShard" and t.spec.urn == common_urns.primitives.PAR_DO.urn
        for c in t.inputs.values()
    )
    assert parts.coders[shards.coder_id].spec.urn == common_urns.coders.VARINT.urn


def environment_of(name: str) -> beam_runner_api_pb2.Environment:
    proto = proto_of(name)
    used = {t.environment_id for t in proto.components.transforms.values() if t.environment_id}
    assert len(used) == 1
    return proto.components.environments[used.pop()]


def test_dataflow_runs_the_container_with_its_hints():
    environment = environment_of("dataflow")
    assert environment.urn == common_urns.environments.DOCKER.urn
    docker = beam_runner_api_pb2.DockerPayload.FromString(environment.payload)
    assert docker.container_image == "REGISTRY/plait-beam:0.1.0"
    hints = {urn: value.decode() for urn, value in environment.resource_hints.items()}
    assert hints == {
        common_urns.resource_hints.MIN_RAM_BYTES.urn: str(24 * 10**9),
        common_urns.resource_hints.ACCELERATOR.urn: "type:nvidia-l4;count:1;install-nvidia-driver",
    }
    options = engine_of("dataflow").pipeline_options().get_all_options(drop_default=True)
    assert options["use_public_ips"] is False
    assert options["number_of_worker_harness_threads"] == 1


def test_flink_finds_the_workers_beside_it():
    environment = environment_of("flink")
    assert environment.urn == common_urns.environments.EXTERNAL.urn
    external = beam_runner_api_pb2.ExternalPayload.FromString(environment.payload)
    assert external.endpoint.url == "localhost:50000"


def test_spark_starts_the_container():
    environment = environment_of("spark")
    assert environment.urn == common_urns.environments.DOCKER.urn


@pytest.mark.parametrize("name", RUNNERS)
def test_options_survive_the_way_to_a_job_server(name):
    given = engine_of(name).options
    sent = dict_to_struct(engine_of(name).pipeline_options().get_all_options(drop_default=True))
    for key, value in given.items():
        if value is not False:
            assert key in sent.fields, key
    assert json.dumps(sorted(sent.fields))


def test_direct_workers_are_processes():
    options = BeamEngine(workers=3, scratch="x").pipeline_options().view_as(DirectOptions)
    assert (options.direct_num_workers, options.direct_running_mode) == (3, "multi_processing")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"direct_num_worker": 2}, "engine.options: Beam has no option 'direct_num_worker'; did you mean direct_num_"),
        ({"direct_num_workers": "many"}, "engine.options: argument --direct_num_workers"),
        ({"direct_runner_use_stacked_bundle": False}, "no_direct_runner_use_stacked_bundle: true"),
    ],
)
def test_a_wrong_option_is_one_line(options, message):
    with pytest.raises(UserError) as raised:
        BeamEngine(workers=1, scratch="x", options=options).pipeline_options()
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_cloud_runner_cannot_write_to_this_machine(tmp_path):
    with pytest.raises(UserError, match="output: DataflowRunner's workers cannot reach this machine's disk"):
        BeamEngine(workers=1, scratch=str(tmp_path), runner="DataflowRunner").pipeline_options()


def test_results_and_dead_letters_are_outputs(tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    with LocalPipeline() as pipeline:
        done = (
            pipeline
            | beam.Create(list(range(6)))
            | beam.ParDo(ProcessShard(FakeJob(str(notes)), str(tmp_path))).with_outputs(DROPPED, main="results")
        )
        assert_that(done.results | beam.Map(lambda r: r.shard), equal_to(list(range(6))), label="results")
        assert_that(done[DROPPED] | beam.Map(lambda d: d.utterance_id), equal_to(["u1", "u3", "u5"]), label="dropped")


def test_a_stopped_run_starts_no_further_shard(tmp_path):
    (tmp_path / "stop").touch()
    with LocalPipeline() as pipeline:
        done = pipeline | beam.Create([0, 1]) | beam.ParDo(ProcessShard(FakeJob(str(tmp_path)), str(tmp_path)))
        assert_that(done, equal_to([]))


@pytest.mark.parametrize("workers", [1, 2])
def test_models_load_once_a_process(tmp_path, workers):
    notes, scratch = tmp_path / "notes", tmp_path / "scratch"
    notes.mkdir()
    results = list(BeamEngine(workers, str(scratch)).run(FakeJob(str(notes)), range(12), lambda _: None))
    assert sorted(result.shard for result in results) == list(range(12))
    opened = [note.name.split("-")[0] for note in notes.iterdir()]
    assert len(opened) == len(set(opened)) <= workers
    assert {str(result.pid) for result in results} <= set(opened)
    assert not list(scratch.iterdir())


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_ours_comes_back_as_itself(tmp_path, workers):
    """Also from another process, out of which errors come as text."""
    engine = BeamEngine(workers, str(tmp_path / "scratch"))
    with pytest.raises(UserError, match=r"^shard 3 names no audio$"):
        list(engine.run(FakeJob(str(tmp_path), broken=3), range(4), lambda _: None))


def test_shard_numbers_encode_the_same_everywhere():
    assert coders.VarIntCoder().is_deterministic()
    assert isinstance(coders.VarIntCoder().get_impl(), coder_impl.VarIntCoderImpl)


def test_a_worker_that_dies_is_told_with_what_was_begun(tmp_path):
    job = FakeJob(str(tmp_path), deadly=3)
    with pytest.raises(EngineError, match=r"^a worker process died at (shard-\d, )*shard-3"):
        list(BeamEngine(2, str(tmp_path / "work")).run(job, [3], lambda _: None))
