"""Cluster specs name what their readers know, and the jobs in them are ones that the commands take."""

import json
from pathlib import Path

import jsonschema
import pytest
import ray.autoscaler
import yaml

from pipelines.config import RayEngineConfig, load_run
from pipelines.engines.placement import place, shortage
from pipelines.engines.ray import TASK_CPUS, pools_of

# of ray.io/v1 (KubeRay 1.4, API reference)
RAYJOB = {
    *("entrypoint", "entrypointNumCpus", "entrypointNumGpus", "entrypointResources", "metadata", "runtimeEnvYAML"),
    *("jobId", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "activeDeadlineSeconds", "backoffLimit"),
    *("rayClusterSpec", "clusterSelector", "submissionMode", "suspend", "submitterPodTemplate", "submitterConfig"),
}
RAYCLUSTER = {"rayVersion", "enableInTreeAutoscaling", "autoscalerOptions", "headGroupSpec", "workerGroupSpecs"}
GROUP = {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template", "idleTimeoutSeconds"}


@pytest.fixture(scope="module")
def rayjob():
    return yaml.safe_load(Path("jobs/ray/kuberay.yaml").read_text())


def test_the_kuberay_manifest_has_the_fields_of_a_rayjob(rayjob):
    assert (rayjob["apiVersion"], rayjob["kind"]) == ("ray.io/v1", "RayJob")
    spec = rayjob["spec"]
    assert spec.keys() <= RAYJOB
    cluster = spec["rayClusterSpec"]
    assert cluster.keys() <= RAYCLUSTER
    assert cluster["headGroupSpec"].keys() <= {"rayStartParams", "template", "serviceType"}
    for group in cluster["workerGroupSpecs"]:
        assert group.keys() <= GROUP
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        # a parameter of `ray start` is a string
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        for container in group["template"]["spec"]["containers"]:
            assert container["resources"]["requests"] == container["resources"]["limits"]


def test_nodes_run_the_ray_that_is_pinned(rayjob):
    assert rayjob["spec"]["rayClusterSpec"]["rayVersion"] == ray.__version__


def test_the_job_fits_the_cluster_of_its_manifest(rayjob):
    """With every group grown to its maximum all workers have room; with one node of each, one worker of each pool."""
    engine = load_run("jobs/ray/corpus.yaml").engine
    assert isinstance(engine, RayEngineConfig)
    own = {name: stage.build_resources() for name, stage in engine.stages.items()}
    pools = pools_of(("decode", "align", "units", "pitch", "style"), engine.build_resources(), own)
    sizes, largest = [{"CPU": 2.0}], [{"CPU": 2.0}]
    for group in rayjob["spec"]["rayClusterSpec"]["workerGroupSpecs"]:
        limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
        node = {"CPU": float(limits["cpu"]), "GPU": float(limits.get("nvidia.com/gpu", 0))}
        sizes.append(node)
        largest += [node] * group["maxReplicas"]
    named = [("+".join(names), resources) for names, resources in pools]
    assert shortage(named, sizes, task_cpus=2 * TASK_CPUS) is None
    placed = place([resources for _, resources in pools], largest, task_cpus=2 * TASK_CPUS)
    assert placed == [resources.workers for _, resources in pools]


def test_the_cluster_launcher_takes_its_file():
    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    cluster = yaml.safe_load(Path("jobs/ray/cluster.yaml").read_text())
    jsonschema.validate(cluster, schema)
    assert cluster["head_node_type"] in cluster["available_node_types"]
    workers = [node for name, node in cluster["available_node_types"].items() if name != cluster["head_node_type"]]
    assert sum(node["max_workers"] for node in workers) <= cluster["max_workers"]
