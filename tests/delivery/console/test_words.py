import pytest

from delivery.console.words import field_label


@pytest.mark.parametrize(
    ("field", "label"),
    [
        ("name", "Name"), ("contact:whatsapp", "WhatsApp"), ("contact.whatsapp", "WhatsApp"),
        ("attribute:city", "Home town"), ("custom_attributes.city", "Home town"), ("phone_number", "Phone number"),
        ("firstName", "First name"), ("attribute:gone_since", "Gone since"), ("merge_undone", "Merge undone"),
    ],
)  # fmt: skip
def test_fields_of_persons_and_members_of_platforms_are_called_so_that_people_can_read_them(
    field: str, label: str
) -> None:
    assert field_label(field, {"attribute:city": "Home town", "contact:whatsapp": "WhatsApp"}) == label
