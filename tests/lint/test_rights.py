"""What the scripts ask of AWS, the roles of the instances that run them allow."""

import re

from harness import SOURCE_DIR, CommandTest, main


def calls(folder: str, function: str) -> set:
    """The calls of the AWS CLI in the scripts of a folder: the service and the operation behind the function's
    name, or in an array that it is given."""
    text = "".join(path.read_text() for path in sorted((SOURCE_DIR / "scripts" / folder).glob("*.sh")))
    return set(re.findall(rf"(?:{function}|\bcommand=\() *([a-z0-9]+) ([a-z]+(?:-[a-z]+)+)", text.replace("\\\n", " ")))


def actions(template: str) -> set:
    text = (SOURCE_DIR / "stacks" / template).read_text()
    return set(re.findall(r"\b([a-z0-9]+:[A-Z]\w+)", text))


IAM_PREFIXES = {"elbv2": "elasticloadbalancing"}  # where it is not the CLI's name of the service


def action(service: str, operation: str) -> str:
    return f"{IAM_PREFIXES.get(service, service)}:{''.join(word.capitalize() for word in operation.split('-'))}"


class Rights(CommandTest):
    def test_web_servers(self):
        asked = calls("bootstrap", r'\baws_to "[^"]*"')
        self.assertGreaterEqual(len(asked), 4)
        self.assertEqual({action(*call) for call in asked} - actions("web.yaml"), set())

    def test_the_bastion(self):
        asked = calls("post-install", r"\bcall_aws")
        self.assertGreaterEqual(len(asked), 7)
        # To update the stack takes all rights on what is in it: the script says that somebody else's are needed.
        self.assertEqual({action(*call) for call in asked} - actions("bastion.yaml"), {"cloudformation:UpdateStack"})


if __name__ == "__main__":
    main()
