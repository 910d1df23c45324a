"""
A Hub on loopback: a real HTTP server, in memory, that huggingface_hub talks to when HF_ENDPOINT names it.

It speaks what pushing and loading need: repositories, pull requests and branches, preupload, LFS, commits, trees,
downloads, Space variables; with tokens, private repositories and the Hub's error headers. Uploads go by plain LFS:
set HF_HUB_DISABLE_XET=1. Large files come from here, too, where the Hub would redirect to another host.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

WRITE_TOKEN = "hf_writeTokenOfTheLoopbackHub"  # of `user`
READ_TOKEN = "hf_readTokenOfTheLoopbackHub"  # of `reader`, who may write nowhere
REPO = r"/(?P<kind>models|spaces)/(?P<repo>[^/]+/[^/]+)"


@dataclass
class Repository:
    """Files by path (as ids of blobs) for every commit, and what branches and pull requests point to."""

    kind: str
    name: str
    private: bool
    commits: dict[str, dict[str, str]] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        self.commit("main", {}, "initial commit")

    def commit(self, ref: str, files: dict[str, str], message: str) -> str:
        """Point `ref` to a new commit with these files; its id."""
        sha = hashlib.sha1(f"{self.kind}/{self.name}/{len(self.commits)}".encode()).hexdigest()
        self.commits[sha], self.messages[sha], self.refs[ref] = files, message, sha
        return sha

    def pull_requests(self) -> list[str]:
        return [ref for ref in self.refs if ref.startswith("refs/pr/")]


class HubError(Exception):
    """An answer with the headers that huggingface_hub makes its exceptions of."""

    def __init__(self, status: int, message: str, code: str = "", body: dict | None = None):
        self.status, self.message, self.code, self.body = status, message, code, body


class HubServer(ThreadingHTTPServer):
    """
    Attributes:
        repositories: by kind and id, as in `("models", "user/grefel")`.
        requests: method, path and query of all requests, in order.
        failures: statuses by the name of the action that is to fail with it (`{"commit": 500}`).
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.lock = threading.Lock()
        self.users = {WRITE_TOKEN: "user", READ_TOKEN: "reader"}
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.blobs: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.failures: dict[str, int] = {}

    def environment(self, **extra: str) -> dict[str, str]:
        """What makes huggingface_hub in another process use this Hub."""
        switches = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0", "NO_PROXY": "127.0.0.1"}
        patience = {"HF_HUB_ETAG_TIMEOUT": "120", "HF_HUB_DOWNLOAD_TIMEOUT": "120"}  # this machine may be busy
        return {"HF_ENDPOINT": self.url, **switches, **patience, **extra}

    def files(self, repo_id: str, ref: str = "main", kind: str = "models") -> dict[str, bytes]:
        """The files of a branch, by path."""
        repository = self.repositories[kind, repo_id]
        return {path: self.blobs[blob] for path, blob in repository.commits[repository.refs[ref]].items()}


@contextmanager
def running_hub() -> Iterator[HubServer]:
    """A Hub for the length of the block."""
    server = HubServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def git_id(content: bytes) -> str:
    """Git's id of a blob, which the Hub gives as the ETag of a small file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def is_lfs(blob: str) -> bool:
    """LFS objects go by their sha256, small files by Git's sha1."""
    return len(blob) == 64


class Handler(BaseHTTPRequestHandler):
    """One connection; `answer_...` methods get a request's named groups and give what is sent back as JSON."""

    protocol_version = "HTTP/1.1"
    server: HubServer

    # Method, name of the action and pattern of the path, first match first.
    ROUTES = [
        (method, action, re.compile(pattern))
        for method, action, pattern in (
            ("GET", "whoami", "/api/whoami-v2"),
            ("POST", "create", "/api/repos/create"),
            ("POST", "validate", "/api/validate-yaml"),
            ("POST", "preupload", f"/api{REPO}/preupload/(?P<ref>[^/]+)"),
            ("POST", "commit", f"/api{REPO}/commit/(?P<ref>[^/]+)"),
            ("POST", "branch", f"/api{REPO}/branch/(?P<ref>[^/]+)"),
            ("POST", "variable", f"/api{REPO}/variables"),
            ("GET", "tree", f"/api{REPO}/tree/(?P<ref>[^/]+)(?P<folder>/.*)?"),
            ("GET", "info", f"/api{REPO}(/revision/(?P<ref>[^/]+))?"),
            ("POST", "batch", r"/(?P<space>spaces/)?(?P<repo>[^/]+/[^/]+)\.git/info/lfs/objects/batch"),
            ("PUT", "upload", "/lfs/(?P<blob>[0-9a-f]{64})"),
            ("GET", "resolve", r"/(?P<space>spaces/)?(?P<repo>[^/]+/[^/]+)/resolve/(?P<ref>[^/]+)/(?P<path>.+)"),
        )
    ]

    def do(self):
        url = urlsplit(self.path)
        self.query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        self.content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        method = "GET" if self.command == "HEAD" else self.command
        with self.server.lock:
            self.server.requests.append((self.command, self.path))
            try:
                answer = self.route(method, url.path)
            except HubError as error:
                body = error.body or {"error": error.message}
                headers = {"X-Error-Message": error.message, **({"X-Error-Code": error.code} if error.code else {})}
                answer = (error.status, headers, json.dumps(body).encode())
        if answer is not None:
            self.send(*answer)

    do_GET = do_HEAD = do_POST = do_PUT = do

    def route(self, method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        for wanted, action, pattern in self.ROUTES:
            if wanted == method and (match := pattern.fullmatch(path)):
                if action in self.server.failures:
                    raise HubError(self.server.failures[action], f"the Hub was told to fail at {action}")
                groups = {name: value and unquote(value) for name, value in match.groupdict().items()}
                answer = getattr(self, f"answer_{action}")(**groups)
                return answer if isinstance(answer, tuple) else (200, {}, json.dumps(answer).encode())
        raise HubError(404, f"the loopback Hub does not know {method} {path}")

    def send(self, status: int, headers: dict[str, str], body: bytes):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        """Nothing: `server.requests` has what was asked."""

    def json(self) -> dict:
        return json.loads(self.content)

    # Who may do what

    def user(self) -> str | None:
        """Whose token it is; None without one."""
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token and token not in self.server.users:
            raise HubError(401, "Invalid credentials in Authorization header")
        return self.server.users.get(token)

    def repository(self, kind: str, repo: str) -> Repository:
        """A repository that the user may see; a private one of others looks like one that does not exist."""
        user, found = self.user(), self.server.repositories.get((kind, repo))
        if found is None or (found.private and user != repo.partition("/")[0]):
            raise HubError(404 if user else 401, "Repository not found", "RepoNotFound")
        return found

    def check_write(self, owner: str):
        user = self.user()
        if user is None:
            raise HubError(401, "Invalid username or password.")
        if user != owner:
            raise HubError(403, f'You don\'t have the rights to write under the namespace "{owner}"')

    def sha(self, repository: Repository, ref: str | None) -> str:
        sha = repository.refs.get(ref or "main", ref)
        if sha not in repository.commits:
            raise HubError(404, f"Invalid rev id: {ref}", "RevisionNotFound")
        return sha

    # Accounts and repositories

    def answer_whoami(self):
        if (user := self.user()) is None:
            raise HubError(401, "Invalid username or password.")
        return {"type": "user", "name": user, "orgs": []}

    def answer_create(self):
        asked = self.json()
        kind = "spaces" if asked.get("type") == "space" else "models"
        owner = asked.get("organization") or self.user() or ""
        self.check_write(owner)
        name = f"{owner}/{asked['name']}"
        url = f"{self.server.url}/{'spaces/' * (kind == 'spaces')}{name}"
        if (kind, name) in self.server.repositories:
            message = "You already created this repo"
            raise HubError(409, message, body={"error": message, "url": url})
        private = asked.get("visibility") == "private"
        self.server.repositories[kind, name] = Repository(kind, name, private)
        return {"url": url, "name": name}

    def answer_branch(self, kind, repo, ref):
        self.check_write(repo.partition("/")[0])
        repository = self.repository(kind, repo)
        if ref in repository.refs:
            raise HubError(409, f"Reference {ref} already exists")
        repository.refs[ref] = self.sha(repository, self.json().get("startingPoint"))
        return {}

    def answer_variable(self, kind, repo):
        self.check_write(repo.partition("/")[0])
        variables = self.repository(kind, repo).variables
        variables[self.json()["key"]] = self.json()["value"]
        return {key: {"value": value} for key, value in variables.items()}

    # Uploads

    def answer_validate(self):
        """The Hub refuses a README.md whose metadata is no YAML mapping."""
        asked = self.json()
        match = re.match(r"---\n(.*?)\n---\n", asked["content"], re.S)
        try:
            metadata = yaml.safe_load(match[1]) if match else {}
        except yaml.YAMLError as error:
            metadata = str(error)
        if not isinstance(metadata, dict):
            message = f"the metadata is no mapping: {metadata}"
            raise HubError(400, message, body={"error": message, "errors": [{"message": message}]})
        return {"errors": [], "warnings": []}

    def answer_preupload(self, kind, repo, ref):
        if not self.query.get("create_pr"):
            self.check_write(repo.partition("/")[0])
        repository = self.repository(kind, repo)
        files = repository.commits[self.sha(repository, ref)]
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith((".safetensors", ".jpg", ".png")) else "regular",
                "shouldIgnore": False,
                "oid": files.get(file["path"]),
            }
            for file in self.json()["files"]
        ]
        return {"files": modes}

    def answer_batch(self, space, repo):
        self.repository("spaces" if space else "models", repo)
        objects = []
        for wanted in self.json()["objects"]:
            upload = {"upload": {"href": f"{self.server.url}/lfs/{wanted['oid']}"}}
            known = wanted["oid"] in self.server.blobs
            objects.append({**wanted, **({} if known else {"actions": upload})})
        return {"transfer": "basic", "objects": objects}

    def answer_upload(self, blob):
        if hashlib.sha256(self.content).hexdigest() != blob:
            raise HubError(400, "The content is not what its id says")
        self.server.blobs[blob] = self.content
        return {}

    def answer_commit(self, kind, repo, ref):
        request = bool(self.query.get("create_pr"))
        if not request:
            self.check_write(repo.partition("/")[0])
        repository = self.repository(kind, repo)
        files, message = dict(repository.commits[self.sha(repository, ref)]), ""
        for line in self.content.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            if operation["key"] == "header":
                message = value["summary"]
            elif operation["key"] == "file":
                content = base64.b64decode(value["content"])
                files[value["path"]] = git_id(content)
                self.server.blobs[git_id(content)] = content
            elif operation["key"] == "lfsFile":
                if value["oid"] not in self.server.blobs:
                    raise HubError(400, f"The LFS object of {value['path']} was never uploaded")
                files[value["path"]] = value["oid"]
            elif operation["key"] == "deletedFile":
                if files.pop(value["path"], None) is None:
                    raise HubError(404, "A file with this name doesn't exist", "EntryNotFound")
        number = len(repository.pull_requests()) + 1
        sha = repository.commit(f"refs/pr/{number}" if request else ref, files, message)
        url = f"{self.server.url}/{'spaces/' * (kind == 'spaces')}{repo}"
        answer = {"success": True, "commitOid": sha, "commitUrl": f"{url}/commit/{sha}"}
        return {**answer, "pullRequestUrl": f"{url}/discussions/{number}"} if request else answer

    # Downloads

    def answer_info(self, kind, repo, ref):
        repository = self.repository(kind, repo)
        sha = self.sha(repository, ref)
        files = [{"rfilename": path} for path in sorted(repository.commits[sha])]
        info = {"_id": repo, "id": repo, "sha": sha, "private": repository.private, "siblings": files}
        return {**info, "tags": [], "downloads": 0, "likes": 0, "gated": False}

    def answer_tree(self, kind, repo, ref, folder):
        repository = self.repository(kind, repo)
        entries = []
        for path, blob in sorted(repository.commits[self.sha(repository, ref)].items()):
            if folder and not path.startswith(folder[1:] + "/"):
                continue
            size = len(self.server.blobs[blob])
            lfs = {"lfs": {"oid": blob, "size": size, "pointerSize": 134}} if is_lfs(blob) else {}
            entries.append({"type": "file", "path": path, "oid": blob, "size": size, **lfs})
        if folder and not entries:
            raise HubError(404, f"{folder} does not exist", "EntryNotFound")
        return entries

    def answer_resolve(self, space, repo, ref, path):
        repository = self.repository("spaces" if space else "models", repo)
        sha = self.sha(repository, ref)
        blob = repository.commits[sha].get(path)
        headers = {"X-Repo-Commit": sha}
        if blob is None:
            raise HubError(404, "Entry not found", "EntryNotFound")
        return 200, {**headers, "ETag": f'"{blob}"'}, self.server.blobs[blob]
