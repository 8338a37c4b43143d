"""Drives a server with the published client, unchanged: every call that sandboxes need, and what each gives back."""

import os
import sys

from astraforge_toolkit import DeepAgentClient, SandboxBackend
from astraforge_toolkit.client import DeepAgentError

base_url, api_key = os.environ["BASE_URL"], os.environ["API_KEY"]
client = DeepAgentClient(base_url=base_url, api_key=api_key)

session = client.create_sandbox_session({"idle_timeout_sec": 120, "max_lifetime_sec": 600})
assert session.status == "ready" and session.workspace_path == "/workspace", session
assert (session.idle_timeout_sec, session.max_lifetime_sec) == (120, 600), session
sid = session.session_id
assert sid in [one.session_id for one in client.list_sandbox_sessions()]
assert client.get_sandbox_session(sid).mode == session.mode
assert client.heartbeat_sandbox_session(sid)["status"] == "ready"

every_byte = bytes(range(256)) * 40
for path, content in [("/workspace/bytes.bin", every_byte), ("/workspace/deep/empty", b""), ("/workspace/text", "  grüße\n\n")]:
    client.upload_file(sid, path, content=content)
    kept = content.encode() if isinstance(content, str) else content
    assert client.get_file_content(sid, path) == kept, path
assert client.get_file_content(sid, "/workspace/text", encoding="utf-8") == "  grüße\n\n"
artifact = client.export_file(sid, "/workspace/bytes.bin", filename="out.bin", content_type="application/x-test")
assert (artifact.filename, artifact.size_bytes, artifact.content_type) == ("out.bin", len(every_byte), "application/x-test"), artifact

backend = SandboxBackend(None, base_url=base_url, api_key=api_key, session_id=sid)
assert backend.write("/workspace/app/cart.py", "def total(items):\n    return sum(items)\n").error is None
assert backend.write("/workspace/app/cart.py", "again").error, "an existing file is not overwritten"
edited = backend.edit("/workspace/app/cart.py", "sum(items)", "sum(items or [])")
assert (edited.error, edited.occurrences) == (None, 1), edited
assert client.get_file_content(sid, "/workspace/app/cart.py").endswith(b"sum(items or [])\n"), "the last newline is kept"
assert "sum(items or [])" in backend.read("/workspace/app/cart.py")
assert any(entry["path"].rstrip("/").endswith("/app") and entry["is_dir"] for entry in backend.ls_info("/workspace")), backend.ls_info("/workspace")
matches = backend.grep_raw("items or", "/workspace")
assert [(match["path"], match["line"]) for match in matches] == [("/workspace/app/cart.py", 2)], matches
assert [found["path"] for found in backend.glob_info("**/*.py", "/workspace")] == ["/workspace/app/cart.py"]
assert backend.download("/workspace/bytes.bin") == every_byte
assert backend.shell("echo out; echo err >&2") == "out\n"
assert backend.shell("echo out; echo err >&2; exit 3") == "err\n"
assert backend.python_exec("print(6 * 7)").strip() == "42"
assert "outside allowed root" in backend.read("/etc/shadow")

client.stop_sandbox_session(sid)
assert client.get_sandbox_session(sid).status == "terminated"
# A stopped session comes back with its files when it is used again.
assert backend.download("/workspace/bytes.bin") == every_byte
assert client.get_sandbox_session(sid).status == "ready"
client.delete_sandbox_session(sid)
client.delete_sandbox_session(sid)

stranger = DeepAgentClient(base_url=base_url, api_key="x" * 43)
try:
    stranger.list_sandbox_sessions()
    sys.exit("a wrong key was let in")
except DeepAgentError as refusal:
    assert "401" in str(refusal) or "403" in str(refusal), refusal
print("the published client is content")
