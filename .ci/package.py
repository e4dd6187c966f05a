"""Makes dist/ from binaries: a zip of each function, the packaged template, archives of the command, digests.

The same binaries give the same bytes: names are sorted, and every file in a zip or archive has the same time, owner and
mode. `.ci/release` says how the binaries themselves are made the same.

    package.py VERSION DIST --functions arm64=FOLDER --functions x86_64=FOLDER --command linux-x86_64=FILE
    package.py VERSION DIST --sbom FILE --sbom FILE
    package.py VERSION DIST --digests

The second form makes one SBOM of those that cargo-cyclonedx makes for each package. The third writes SHA256SUMS, over
everything that is in dist/ by then. The tests make small releases with this program, from the binaries of a debug build.
"""

import argparse
import gzip
import hashlib
import io
import json
import pathlib
import sys
import tarfile
import zipfile

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
# A zip cannot have an earlier time.
TIME = (1980, 1, 1, 0, 0, 0)
ARCHITECTURES = ["arm64", "x86_64"]
# CloudFormation's limits for a template in S3.
MOST_BYTES, MOST_RESOURCES = 1_000_000, 500

PARAMETERS = {
    "CodeBucket": {
        "Type": "String",
        "AllowedPattern": "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        "ConstraintDescription": "must be the name of a bucket in this stack's region",
        "Description": "The bucket with the functions' zips, in this stack's region.",
    },
    "CodePrefix": {
        "Type": "String",
        "Default": "nano-webhooks/",
        "AllowedPattern": "^([A-Za-z0-9._-]+/)*$",
        "ConstraintDescription": "must end with a slash, or be empty",
        "Description": "What the zips' keys begin with. The version follows it.",
    },
    "Architecture": {
        "Type": "String",
        "Default": "arm64",
        "AllowedValues": ARCHITECTURES,
        "Description": "The functions' architecture. arm64 costs less.",
    },
    "PreviousVersion": {
        "Type": "String",
        "Default": "",
        "AllowedPattern": "^[0-9A-Za-z.+-]*$",
        "Description": "Set by `nano-webhooks deploy`: the version that was deployed before, for `nano-webhooks rollback`.",
    },
}


class NoManagedPolicies:
    """The template names no managed policies, so the transform needs no list of them."""

    def load(self):
        return {}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("version")
    parser.add_argument("dist", type=pathlib.Path)
    parser.add_argument("--functions", action="append", default=[], metavar="ARCHITECTURE=FOLDER")
    parser.add_argument("--command", action="append", default=[], metavar="PLATFORM=FILE")
    parser.add_argument("--sbom", action="append", default=[], metavar="FILE", type=pathlib.Path)
    parser.add_argument("--compression", type=int, default=9, help="of the zips, 1 to 9; a test has no time for 9")
    parser.add_argument("--digests", action="store_true")
    arguments = parser.parse_args()
    arguments.dist.mkdir(parents=True, exist_ok=True)
    if arguments.digests:
        write_digests(arguments.dist)
        return
    if arguments.sbom:
        text = json.dumps(merged(arguments.sbom, arguments.version), indent=1) + "\n"
        (arguments.dist / f"nano-webhooks-{arguments.version}.cdx.json").write_text(text, encoding="utf-8")
        return
    template = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    names = functions(template)
    for architecture, folder in pairs(arguments.functions):
        if architecture not in ARCHITECTURES:
            sys.exit(f"{architecture} is no architecture of Lambda: {', '.join(ARCHITECTURES)}")
        for name in sorted(set(names.values())):
            (arguments.dist / f"{name}-{architecture}.zip").write_bytes(
                zipped(pathlib.Path(folder) / name, arguments.compression)
            )
    for platform, file in pairs(arguments.command):
        name = f"nano-webhooks-{arguments.version}-{platform}"
        (arguments.dist / f"{name}.tar.gz").write_bytes(archived(name, pathlib.Path(file)))
    text = json.dumps(packaged(template, names, arguments.version), indent=1, sort_keys=False) + "\n"
    if len(text) > MOST_BYTES:
        sys.exit(f"the packaged template has {len(text)} bytes, and CloudFormation takes {MOST_BYTES}")
    (arguments.dist / "template.json").write_text(text, encoding="utf-8")
    (arguments.dist / "CHANGES.md").write_text(changes(arguments.version), encoding="utf-8")


def pairs(texts):
    return [text.split("=", 1) for text in texts]


def functions(template):
    """The name of each function's binary, by logical id."""
    return {
        logical_id: resource["Metadata"]["BuildProperties"]["Binary"]
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def packaged(template, names, version):
    """The template after the SAM transform, with the zips' addresses as parameters.

    The transform runs here and not in CloudFormation, so that the stack needs no CAPABILITY_AUTO_EXPAND, a change set
    shows the template's own resources, and CDK and others can read it. What it returns does not depend on parameters: a
    test compares. The logical ids are the same as after `sam deploy`, so a stack can change between the two.
    """
    template["Globals"]["Function"]["CodeUri"] = "s3://code/zip"
    template = transform(template, {}, NoManagedPolicies())
    for logical_id, name in names.items():
        function = template["Resources"][logical_id]
        function.pop("Metadata", None)
        function["Properties"]["Code"] = {
            "S3Bucket": {"Ref": "CodeBucket"},
            "S3Key": {"Fn::Sub": f"${{CodePrefix}}{version}/{name}-${{Architecture}}.zip"},
        }
        function["Properties"]["Architectures"] = [{"Ref": "Architecture"}]
    template["Parameters"].update(PARAMETERS)
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    groups.insert(0, {"Label": {"default": "Release"}, "Parameters": list(PARAMETERS)})
    template["Outputs"]["Version"] = {"Description": "The version of nano-webhooks.", "Value": version}
    template["Outputs"]["PreviousVersion"] = {
        "Description": "The version that was deployed before; - if there was none.",
        "Value": {"Fn::If": ["HasPreviousVersion", {"Ref": "PreviousVersion"}, "-"]},
    }
    template["Conditions"]["HasPreviousVersion"] = {"Fn::Not": [{"Fn::Equals": [{"Ref": "PreviousVersion"}, ""]}]}
    if len(template["Resources"]) > MOST_RESOURCES:
        sys.exit(f"the packaged template has {len(template['Resources'])} resources, and CloudFormation takes {MOST_RESOURCES}")
    return template


def zipped(binary, compression):
    bootstrap = zipfile.ZipInfo("bootstrap", TIME)
    bootstrap.compress_type = zipfile.ZIP_DEFLATED
    bootstrap.external_attr = 0o100755 << 16
    # The same on every system on which this runs.
    bootstrap.create_system = 3
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        # Passed explicitly: a ZipInfo does not take the level from its ZipFile.
        archive.writestr(bootstrap, binary.read_bytes(), compresslevel=compression)
    return buffer.getvalue()


def archived(folder, command):
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        suffix = ".exe" if command.suffix == ".exe" else ""
        for name, content, mode in [
            ("LICENSE", (ROOT / "LICENSE").read_bytes(), 0o644),
            (f"nano-webhooks{suffix}", command.read_bytes(), 0o755),
        ]:
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(tar.getvalue(), compresslevel=9, mtime=0)


def changes(version):
    """The part of CHANGELOG.md about this version. A version of a test has none."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    parts = text.split("\n## [")
    for part in parts[1:]:
        title, _, body = part.partition("\n")
        if title.startswith(f"{version}]"):
            return body.strip() + "\n"
    return f"{version} is not in CHANGELOG.md.\n"


def merged(files, version):
    """One SBOM of several: the packages that they describe, and each dependency once."""
    # The packages of this repository are named by their folders, whose place is nobody's business.
    texts = [file.read_text(encoding="utf-8").replace(ROOT.as_uri(), "file:///build") for file in sorted(files)]
    boms = [json.loads(text) for text in texts]
    packages = [bom["metadata"]["component"] for bom in boms]
    components, dependencies = {}, {}
    for bom in boms:
        components.update((component["bom-ref"], component) for component in bom["components"])
        for dependency in bom["dependencies"]:
            dependencies.setdefault(dependency["ref"], set()).update(dependency.get("dependsOn", []))
    for package in packages:
        components[package["bom-ref"]] = package
    ref = f"nano-webhooks@{version}"
    dependencies[ref] = {package["bom-ref"] for package in packages}
    metadata = {name: value for name, value in boms[0]["metadata"].items() if name in ["timestamp", "tools"]}
    return {
        **{name: boms[0][name] for name in ["bomFormat", "specVersion", "version"]},
        "metadata": {
            **metadata,
            "component": {"type": "application", "bom-ref": ref, "name": "nano-webhooks", "version": version},
        },
        "components": [components[name] for name in sorted(components)],
        "dependencies": [{"ref": name, "dependsOn": sorted(on)} for name, on in sorted(dependencies.items())],
    }


def write_digests(dist):
    files = sorted(file for file in dist.iterdir() if file.is_file() and file.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    (dist / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
