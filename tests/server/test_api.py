from pathlib import Path
from urllib.parse import quote

import httpx

from sd_contract.attempt import Attempt
from train_tools.app import App
from train_tools.model.expressions import typed
from train_tools.model.grid import Formula
from train_tools.model.job import JobState, NewJob, Verdict

POCKET = Path(__file__).parents[2] / "projects_template" / "demo" / "pocket-sd1.safetensors"
VERSION = "/projects/zorb/versions/v1"
MARKUP = "<img src=x onerror=alert(1)> & 'q'"


def refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return answer.json()["error"]["message"]


def test_projects_are_listed_with_the_last_choice(api: httpx.Client) -> None:
    answer = api.get("/projects").json()
    assert answer["projects"][0]["versions"] == ["v1"]
    assert answer["chosen"] == {"project": "zorb", "version": "v1"}


def test_any_name_comes_back_as_it_was(api: httpx.Client) -> None:
    for name in ("проект", "it's & `x` 100%", "画像 🌙", "a #1 x=y;z"):
        assert api.post("/projects", json={"name": name}).json()["name"] == name
        address = f"/projects/{quote(name, safe='')}/versions"
        assert api.post(address, json={"name": name}).status_code == 201
        assert [version["name"] for version in api.get(address).json()["versions"]] == [name]


def test_a_name_that_is_no_folder_name_is_refused_in_words(api: httpx.Client) -> None:
    for name in ("", "a/b", "..", "con", "x" * 300, MARKUP, "a\0b", " a"):
        assert "can't be a" in refused(api.post("/projects", json={"name": name}), 400)


def test_a_taken_name_is_a_conflict(api: httpx.Client) -> None:
    assert "zorb" in refused(api.post("/projects", json={"name": "zorb"}), 409)


def test_a_project_that_is_not_there_is_told(api: httpx.Client) -> None:
    for project in ("nothing", "..%2f..", "x" * 3000, "%00", quote(MARKUP, safe="")):
        for resource in ("dataset", "settings", "grids", "checkpoints", "grids/g/matrix"):
            assert refused(api.get(f"/projects/{project}/versions/v1/{resource}"), 404)


def test_a_field_that_nobody_knows_is_refused(api: httpx.Client) -> None:
    assert "nmae" in refused(api.post("/projects", json={"name": "a", "nmae": "b"}), 422)
    assert refused(api.post("/projects", content="{"), 422)


def test_unknown_addresses_and_methods_are_told_in_words(api: httpx.Client) -> None:
    assert refused(api.get("/nothing"), 404) == "There is nothing at this address."
    assert refused(api.delete("/projects"), 405)


def test_what_is_known_is_not_sent_twice(api: httpx.Client) -> None:
    first = api.get("/projects")
    again = api.get("/projects", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    api.post("/projects", json={"name": "other"})
    assert api.get("/projects", headers={"If-None-Match": first.headers["etag"]}).status_code == 200


def test_the_choice_is_kept(api: httpx.Client, app: App) -> None:
    app.create_version("zorb", "v2")
    assert api.put("/choice", json={"project": "zorb", "version": "v1"}).status_code == 204
    assert app.store.last_choice().version == "v1"
    assert refused(api.put("/choice", json={"project": "nothing"}), 404)


def test_the_dataset_says_what_would_be_trained_on_and_where_it_lies(api: httpx.Client, app: App) -> None:
    answer = api.get(f"{VERSION}/dataset").json()
    assert (answer["images"], answer["captions"]) == (2, 2)
    assert answer["folders"][0]["path"].startswith(str(app.outputs.folder))
    assert [image["caption"] for image in answer["shown"]] == ["a blue wall", "a red wall"]


def test_the_dataset_is_summed_up_without_reading_it_all(api: httpx.Client, app: App) -> None:
    (app.versions.paths("zorb", "v1").processed / "256_zorb" / "00000-0-blue.txt").unlink()
    answer = api.get(f"{VERSION}/dataset/summary").json()
    assert answer.pop("folder") == api.get(f"{VERSION}/dataset").json()["folder"]
    assert answer == {"images": 2, "captions": 1, "images_per_epoch": 512, "originals": 2}


def test_the_dataset_is_shown_in_parts(api: httpx.Client) -> None:
    part = api.get(f"{VERSION}/dataset", params={"offset": 1, "limit": 1}).json()
    assert (part["shown_from"], len(part["shown"]), part["images"]) == (1, 1, 2)
    assert refused(api.get(f"{VERSION}/dataset", params={"limit": 100_000}), 422)


def test_pictures_are_imported_by_path_and_what_is_not_taken_is_listed(
    api: httpx.Client, app: App, tmp_path
) -> None:
    (tmp_path / "source" / "broken.png").write_bytes(b"no")
    answer = api.post(f"{VERSION}/dataset/import", json={"paths": [str(tmp_path / "source")]})
    assert (answer.status_code, answer.json()["kind"], answer.json()["state"]) == (202, "import", "queued")
    assert app.jobs.worker().run(until=lambda: not app.jobs.queue.waiting())
    job = api.get(f"/jobs/{answer.json()['id']}").json()
    assert (job["state"], job["slot"]) == ("done", None)
    assert job["message"].startswith("0 pictures and 0 captions are new, 2 were there already, 1 files were left")
    newest = api.get(f"{VERSION}/dataset/imports").json()["imports"][0]
    report = api.get(f"{VERSION}/dataset/imports/{newest}").json()
    assert len(report["already_there"]) == 2
    assert "broken.png" in str(report["left_out"])
    assert refused(api.get(f"{VERSION}/dataset/imports/..%2f..%2fversion"), 404)
    assert refused(api.post(f"{VERSION}/dataset/import", json={"paths": [str(tmp_path / "nowhere")]}), 400)


def test_preparing_takes_the_stored_settings(api: httpx.Client, app: App) -> None:
    changed = api.patch(f"{VERSION}/settings/preparation", json={"width_px": 128, "height_px": 64, "repeats": 3})
    assert changed.json()["preparation"]["width_px"] == 128
    first, second = (api.post(f"{VERSION}/dataset/prepare").json()["id"] for _ in range(2))
    assert first == second
    assert app.jobs.worker().run(until=lambda: not app.jobs.queue.waiting())
    assert api.get(f"/jobs/{first}").json()["message"] == "2 training images of 2 originals."
    assert api.get(f"{VERSION}/dataset").json()["folders"][0]["repeats"] == 3
    assert "65" in refused(api.patch(f"{VERSION}/settings/preparation", json={"width_px": 65}), 400)


def test_a_plan_without_a_base_model_says_what_to_do(api: httpx.Client) -> None:
    assert "base model" in refused(api.post(f"{VERSION}/plan", json={"assignments": {"network_dim": "4, 8"}}), 400)


def test_a_plan_names_the_option_that_is_wrong(api: httpx.Client) -> None:
    wrong = [("network_dim", "16x"), ("network_dim", "1,,2"), ("nothing", "1"), ("output_dir", "/tmp")]
    wrong += [("optimizer_args", "a=\"'"), ("network_dim", ""), ("", "1")]
    for name, text in wrong:
        assert name in refused(api.post(f"{VERSION}/plan", json={"assignments": {name: text}}), 400)


def test_runs_are_counted_and_planned_with_rules(api: httpx.Client, app: App) -> None:
    body = {
        "assignments": {"network_dim": "8:32:*2", "pretrained_model_name_or_path": str(POCKET)},
        "extra": "--unet_lr=1e-4,2e-4 --text_encoder_lr==unet_lr/2 --shuffle_caption",
        "rules": {"exclude": ["network_dim=32 and unet_lr=2e-4"]},
    }
    counted = api.post(f"{VERSION}/plan/count", json=body).json()
    assert (counted["runs"], counted["exact"], counted["faults"]) == (5, True, [])
    assert counted["axes"]["network_dim"] == {"values": ["8", "16", "32"], "total": 3}
    plan = api.post(f"{VERSION}/plan", json=body).json()
    assert (plan["runs"], plan["total"], plan["notes"]) == (5, 5, [])
    assert "network_dim=8 unet_lr=0.0001" in [entry["label"] for entry in plan["planned"]]
    order = {**body, "grid": "mine"}
    assert len(api.post(f"{VERSION}/runs", json=order).json()["jobs"]) == 5
    again = api.post(f"{VERSION}/runs", json={"grid": "mine", "rules": {}}).json()
    assert (len(again["jobs"]), len(again["already"])) == (1, 5)
    many = {"assignments": {"seed": "1..1001"}, "grid": "many"}
    assert "Queue them all the same" in refused(api.post(f"{VERSION}/runs", json=many, timeout=120), 409)
    assert refused(api.post(f"{VERSION}/plan/count", json={"rules": {"seed": 2}}), 422)


def test_stored_values_are_told_as_one_would_type_them() -> None:
    assert typed((Formula("max(1, network_dim/2)"), "=x")) == '=max(1, network_dim/2), "=x"'
    assert typed((8, 16)) == "8, 16"
    assert typed((True,)) == "true"
    assert typed(("512,768", 'a "b"')) == '"512,768", "a ""b"""'
    assert typed((("weight_decay=0.1", "betas=0.9 0.99"),)) == "weight_decay=0.1 'betas=0.9 0.99'"


def queued(app: App) -> int:
    return app.jobs.queue.add([NewJob(kind="train", title=MARKUP, folder="projects/zorb/x", total_steps=100)])[0]


def test_a_running_job_shows_how_far_it_is(api: httpx.Client, app: App) -> None:
    job = app.jobs.queue.get(queued(app))
    claimed = app.jobs.queue.claim("cpu", "here")
    app.jobs.queue.start(job.id, claimed.attempt)
    app.jobs.queue.progress(job.id, claimed.attempt, step=25, loss=0.5, steps_started_at=claimed.started_at - 10)
    shown = api.get("/jobs").json()["jobs"][0]
    assert (shown["title"], shown["state"], shown["progress"]) == (MARKUP, "running", 0.25)
    assert shown["seconds_left"] > 0 and shown["can_cancel"] and not shown["can_retry"]


def test_a_waiting_job_is_cancelled_and_queued_again(api: httpx.Client, app: App) -> None:
    job = queued(app)
    assert api.post(f"/jobs/{job}/cancel").json()["state"] == "cancelled"
    assert api.post(f"/jobs/{job}/retry").json()["state"] == "queued"
    assert refused(api.post(f"/jobs/{job}/retry"), 409)


def waiting(app: App, *titles: str) -> list[int]:
    return app.jobs.queue.add(
        [NewJob(kind="train", title=title, folder=f"projects/zorb/{title}") for title in titles]
    )


def test_jobs_of_some_states_are_listed_alone(api: httpx.Client, app: App) -> None:
    first, second = app.jobs.queue.add(
        [NewJob(kind="train", title=name, folder=f"states/{name}") for name in ("a", "b")]
    )
    app.jobs.cancel(second)

    def listed(query: str) -> list[int]:
        return [job["id"] for job in api.get(f"/jobs?{query}").json()["jobs"]]

    assert listed("state=cancelled") == [second]
    assert listed("state=queued&state=cancelled") == [first, second]
    assert api.get("/jobs?state=asleep").status_code == 422


def test_waiting_jobs_are_moved_and_told_their_places(api: httpx.Client, app: App) -> None:
    a, b, c = waiting(app, "a", "b", "c")
    assert api.post(f"/jobs/{c}/move", json={"before": a}).json()["place"] == 1
    assert api.post(f"/jobs/{a}/move", json={}).json()["place"] == 3
    assert api.post(f"/jobs/{a}/move", json={"place": 2}).json()["place"] == 2
    assert api.post(f"/jobs/{b}/priority", json={"priority": 7}).json()["place"] == 1
    assert [job["title"] for job in api.get("/jobs", params={"offset": 1}).json()["jobs"]] == ["c", "a"]
    assert refused(api.post(f"/jobs/{a}/move", json={"place": 0}), 422)
    assert "1001" in refused(api.post(f"/jobs/{a}/priority", json={"priority": 1001}), 400)
    assert "no job 77" in refused(api.post(f"/jobs/{a}/move", json={"before": 77}), 404)


def test_a_job_waits_until_its_time(api: httpx.Client, app: App) -> None:
    [id_] = waiting(app, "a")
    assert api.post(f"/jobs/{id_}/schedule", json={"not_before": 4e9}).json()["not_before"] == 4e9
    assert api.post(f"/jobs/{id_}/schedule", json={"not_before": None}).json()["not_before"] is None
    assert refused(api.post(f"/jobs/{id_}/schedule", json={"not_before": 1e300}), 400)
    for bad in ('{"not_before": Infinity}', "{}", '{"not_before": "soon"}'):
        assert refused(api.post(f"/jobs/{id_}/schedule", content=bad), 422)


def test_a_job_is_paused_and_resumed(api: httpx.Client, app: App) -> None:
    [id_] = waiting(app, "a")
    paused = api.post(f"/jobs/{id_}/pause").json()
    assert (paused["state"], paused["can_resume"], paused["can_pause"]) == ("paused", True, False)
    assert api.post(f"/jobs/{id_}/resume").json()["state"] == "queued"
    assert refused(api.post(f"/jobs/{id_}/resume"), 409)


def test_a_running_job_is_stopped_as_urgently_as_one_likes(api: httpx.Client, app: App) -> None:
    [id_] = waiting(app, "a")
    app.jobs.queue.claim("cpu", "here")
    attempt = Attempt(app.outputs.folder / "projects/zorb/a/attempts/001")
    attempt.folder.mkdir(parents=True)
    told = []
    for address, stop in (("pause", "epoch"), ("cancel", "step"), ("cancel", "now")):
        job = api.post(f"/jobs/{id_}/{address}", json={"stop": stop}).json()
        told.append((job["wish"], job["stop"], attempt.stop_mode, job["can_cancel"]))
    assert told == [
        ("pause", "epoch", "epoch", True),
        ("cancel", "step", "step", True),
        ("cancel", "now", "now", False),
    ]
    assert refused(api.post(f"/jobs/{id_}/cancel", json={"stop": "gently"}), 422)


def test_a_job_is_taken_off_the_list(api: httpx.Client, app: App) -> None:
    [id_] = waiting(app, "a")
    assert api.delete(f"/jobs/{id_}").status_code == 204
    assert refused(api.delete(f"/jobs/{id_}"), 404)
    [running] = waiting(app, "b")
    app.jobs.queue.claim("cpu", "here")
    assert "stop it first" in refused(api.delete(f"/jobs/{running}"), 409)


def test_the_queue_says_how_it_stands(api: httpx.Client, app: App) -> None:
    empty = {"state": "idle", "paused": False, "reason": "", "waiting": 0, "ahead": 0, "active": 0}
    assert api.get("/queue").json() == {**empty, "seconds_left": None}
    waiting(app, "a", "b")
    app.jobs.queue.claim("cpu", "here")
    working = api.get("/queue").json()
    assert (working["state"], working["active"], working["ahead"]) == ("working", 1, 1)
    assert working["seconds_left"] > 0
    paused = api.post("/queue/pause", json={"reason": MARKUP}).json()
    assert (paused["state"], paused["reason"]) == ("paused", MARKUP)
    assert app.jobs.queue.claim("cpu", "here") is None
    assert api.post("/queue/resume").json()["state"] == "working"
    assert refused(api.post("/queue/pause", json={"reason": "x" * 201}), 422)


def test_what_the_queue_waits_for_is_told(api: httpx.Client, app: App) -> None:
    waiting(app, "a")
    app.jobs.queue.note_waits("Only 3 MB are free.")
    answer = api.get("/queue").json()
    assert (answer["state"], answer["reason"]) == ("waiting", "Only 3 MB are free.")


def test_a_queue_is_paused_with_what_runs(api: httpx.Client, app: App) -> None:
    [id_] = waiting(app, "a")
    app.jobs.queue.claim("cpu", "here")
    api.post("/queue/pause", json={"running_too": True})
    assert api.get(f"/jobs/{id_}").json()["wish"] == "requeue"


def test_a_failed_job_says_why_and_shows_the_end_of_its_log(api: httpx.Client, app: App) -> None:
    job = queued(app)
    claimed = app.jobs.queue.claim("cpu", "here")
    log = app.outputs.folder / "projects/zorb/x/attempts/001/run.log"
    log.parent.mkdir(parents=True)
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    app.jobs.queue.finish(job, claimed.attempt, Verdict(state=JobState.FAILED, message="No memory left."))
    assert api.get(f"/jobs/{job}").json()["message"] == "No memory left."
    assert api.get(f"/jobs/{job}/log", params={"lines": 3}).json()["text"].strip().endswith("line 99")


def test_a_job_that_is_not_there_is_told(api: httpx.Client) -> None:
    assert refused(api.get(f"/jobs/{'9' * 30}"), 422)
    for id_ in ("999", "0", "-1"):
        assert refused(api.get(f"/jobs/{id_}"), 404)
        assert refused(api.post(f"/jobs/{id_}/cancel"), 404)


def test_a_version_without_grids_has_none(api: httpx.Client) -> None:
    assert api.get(f"{VERSION}/grids").json() == {"grids": []}
    assert api.get(f"{VERSION}/checkpoints").json() == {"checkpoints": []}


def test_the_interface_describes_itself(api: httpx.Client) -> None:
    described = api.get("/openapi.json").json()["paths"]
    assert "/train-tools/api/v1/jobs/{id}/cancel" in described
