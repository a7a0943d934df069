"""The recipes, tried as a newcomer would: a tree like the program's own, the shipped file, one scan, and a look at what came."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from common.yamltext import parse
from tests.fakes import pictures
from tests.fakes.sites import sites

CONFIGS = Path(__file__).parents[2] / "configs"

TREES: dict[str, dict[str, tuple[list[str], list[str]]]] = {
    "immich": {
        "immich": (
            [
                "library/.immich",
                "library/admin/2026/2026-07-01/IMG_0001.jpg",
                "library/admin/2026/2026-07-01/thumbs/kept.jpg",
                "upload/.immich",
                "upload/3f0c/ab/12/3f0c-1.jpg",
                "upload/3f0c/ab/12/3f0c-1.jpg.xmp",
                "profile/3f0c/avatar.jpg",
                "backups/immich-db-backup-20261101T020000.sql.gz",
            ],
            ["thumbs/.immich", "thumbs/3f0c/ab/12/1-preview.jpeg", "encoded-video/3f0c/ab/12/1.mp4"],
        )
    },
    "photoprism": {
        "originals": (
            ["2026/07/20260701_120000_AB12.jpg", "2026/07/20260701_120000_AB12.xmp", "cache/also-a-picture.jpg"],
            ["2026/07/.DS_Store", "2026/Thumbs.db", "2026/07/@eaDir/20260701_120000_AB12.jpg/SYNOPHOTO_THUMB_M.jpg"],
        ),
        "storage": (
            [
                "sidecar/2026/07/20260701_120000_AB12.yml",
                "config/settings.yml",
                "albums/album/as6s.yml",
                "backup/mysql/2026-11-01.sql",
                "users/us1/avatar.jpg",
            ],
            ["cache/thumbnails/a/b/c/abc_720x720_fit.jpg", "cache/json/a/ab.json"],
        ),
    },
    "nextcloud": {
        "data": (
            [
                ".ocdata",
                "anna/files/Photos/beach.jpg",
                "anna/files/cache/not-a-cache.jpg",
                "anna/files/uploads/holiday.jpg",
                "anna/files/server.log",
                "appdata_oc1/avatar/anna/avatar.64.png",
                "appdata_oc1/theming/logo.png",
            ],
            [
                "appdata_oc1/preview/0/1/2/345/64-64-crop.jpg",
                "appdata_oc1/appstore/apps.json",
                "anna/cache/x",
                "anna/uploads/web-file-upload-1/1",
                "anna/files_trashbin/files/old.jpg.d1700000000",
                "anna/files_versions/Photos/beach.jpg.v1700000000",
                "anna/files/Photos/new.jpg.ocTransferId123456.part",
                "updater-oc1/backups/x",
                "nextcloud.log",
                "nextcloud.log.1",
            ],
        ),
        "dumps": (["nextcloud-20261101.sql.zst"], []),
    },
    "cms": {
        "uploads": (
            [
                "2026/07/beach.jpg",
                "2026/07/beach-300x200.jpg",
                "2026/07/beach-scaled.jpg",
                "2026/07/cache/kept.jpg",
                "2026/07/menu.pdf",
            ],
            ["cache/page.html", "wc-logs/fatal-errors.log", "backups/site-2026-11-01.zip", "2026/07/half.tmp"],
        )
    },
}


def test_every_recipe_is_tried() -> None:
    """Whoever writes of a program adds its tree here."""
    told = (CONFIGS.parent / "deploy/RECIPES.md").read_text()
    assert set(re.findall(r"configs/(\w+)/source\.yaml", told)) == set(TREES)


@pytest.mark.parametrize("recipe", TREES)
def test_a_recipe_takes_what_it_says_and_leaves_what_it_says(recipe: str) -> None:
    """A pattern that takes too much away loses pictures, one that takes too little sends what is made again anyway."""
    config: Any = parse((CONFIGS / recipe / "source.yaml").read_text()).value
    with sites() as at:
        at.policies = [here(policy, at.library) for policy in config["policies"]]
        at.dial(at.port)
        taken = set()
        number = 0
        for root, (kept, left) in TREES[recipe].items():
            for name in (*kept, *left):
                path = at.library / root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                number += 1
                path.write_bytes(pictures.jpeg(number, size=(32, 32)) if name.endswith(".jpg") else name.encode())
            taken |= {(root, name) for name in kept}
        at.dest()
        at.once()
        found = {(entry.version.root, entry.version.path.decode()) for entry in at.entries() if entry.version.kind == "file"}
    assert found == taken


def here(policy: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A policy whose roots are below a folder of the test."""
    return policy | {"roots": [str(folder / Path(root).name) for root in policy["roots"]]}
