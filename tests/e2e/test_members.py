"""Members of a vendor and of an organization: who sees and changes them, and that somebody is always left to do it."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.e2e.parties import Group, code

OFFICE, STRANGER = "office@demo.test", "consumer@demo.test"


async def test_members_see_each_other(group: Group) -> None:
    other, other_id = await group.add("Ani", group.party.other)
    office = await group.market.client(OFFICE)
    shown: list[dict[str, Any]] = (await other.get(group.path)).json()["items"]
    assert [(one["user_id"], one["role"]) for one in shown] == [
        (other_id, group.party.other),
        (group.manager_id, group.party.manager),
    ]
    assert (shown[0]["name"], shown[0]["email"]) == ("Ani", "ani@example.test")
    for client in (group.manager, office):
        assert (await client.get(group.path)).json()["items"] == shown
    with group.market.count_queries() as statements:
        await group.manager.get(group.path)
    assert len(statements) == 2


async def test_a_manager_changes_roles_and_ends_memberships(group: Group) -> None:
    other, other_id = await group.add("Ani", group.party.other)
    raised = await group.manager.patch(f"{group.path}/{other_id}", json={"role": group.party.manager})
    assert (raised.status_code, raised.json()["role"], raised.json()["name"]) == (200, group.party.manager, "Ani")
    # The new one may do the same at once, also to the one that made him.
    assert (await other.delete(f"{group.path}/{group.manager_id}")).status_code == 204
    assert await group.roles() == {other_id: group.party.manager}
    assert code(await group.manager.get(group.path)) == (404, "not_found")


async def test_the_office_helps_where_nobody_manages(group: Group) -> None:
    _, other_id = await group.add("Ani", group.party.other)
    await group.market.execute(f"DELETE FROM {group.party.table} WHERE user_id = $1", UUID(group.manager_id))
    office = await group.market.client(OFFICE)
    raised = await office.patch(f"{group.path}/{other_id}", json={"role": group.party.manager})
    assert raised.status_code == 200
    assert await group.roles() == {other_id: group.party.manager}


async def test_others_only_leave(group: Group) -> None:
    other, other_id = await group.add("Ani", group.party.other)
    before = await group.roles()
    lower = {"role": group.party.other}
    assert code(await other.patch(f"{group.path}/{other_id}", json={"role": group.party.manager})) == (403, "forbidden")
    assert code(await other.patch(f"{group.path}/{group.manager_id}", json=lower)) == (403, "forbidden")
    assert code(await other.delete(f"{group.path}/{group.manager_id}")) == (403, "forbidden")
    assert await group.roles() == before
    assert (await other.delete(f"{group.path}/{other_id}")).status_code == 204
    assert await group.roles() == {group.manager_id: group.party.manager}


async def test_404_when_it_is_not_yours_or_no_member(group: Group) -> None:
    stranger, before = await group.market.client(STRANGER), await group.roles()
    member = f"{group.path}/{group.manager_id}"
    for answer in (
        await stranger.get(group.path),
        await stranger.patch(member, json={"role": group.party.other}),
        await stranger.delete(member),
        await group.manager.delete(f"{group.path}/{uuid4()}"),
        await group.manager.patch(f"{group.path}/{uuid4()}", json={"role": group.party.other}),
        await (await group.market.client(OFFICE)).get(f"/v1/{group.party.kind}/{uuid4()}/members"),
    ):
        assert code(answer) == (404, "not_found")
    assert code(await group.manager.patch(member, json={"role": "emperor"})) == (422, "invalid_request")
    assert code(await group.market.anonymous.get(group.path)) == (401, "unauthenticated")
    assert await group.roles() == before


async def test_the_last_manager_stays(group: Group) -> None:
    office, member = await group.market.client(OFFICE), f"{group.path}/{group.manager_id}"
    for client in (group.manager, office):
        for answer in (
            await client.delete(member),
            await client.patch(member, json={"role": group.party.other}),
        ):
            assert code(answer) == (409, f"last_{group.party.manager}")
    assert (await group.manager.patch(member, json={"role": group.party.manager})).status_code == 200
    assert await group.roles() == {group.manager_id: group.party.manager}


@pytest.mark.parametrize("way", ["DELETE", "PATCH"])
async def test_one_manager_is_left_when_all_leave_at_once(group: Group, way: str) -> None:
    """Six on connections of their own, each ending its own right at the same moment."""
    members = [(group.manager, group.manager_id)]
    members += [await group.add(name, group.party.manager) for name in ("Ani", "Budi", "Citra", "Dewi", "Eka")]
    body = {"role": group.party.other} if way == "PATCH" else None
    answers = await asyncio.gather(
        *(client.request(way, f"{group.path}/{user}", json=body) for client, user in members)
    )
    done = 204 if way == "DELETE" else 200
    assert sorted(answer.status_code for answer in answers) == [done] * 5 + [409]
    assert list((await group.roles()).values()).count(group.party.manager) == 1


async def test_one_is_left_when_two_put_each_other_out(group: Group) -> None:
    other, other_id = await group.add("Ani", group.party.manager)
    answers = await asyncio.gather(
        group.manager.delete(f"{group.path}/{other_id}"), other.delete(f"{group.path}/{group.manager_id}")
    )
    # Who came second is no member any more.
    assert sorted(answer.status_code for answer in answers) == [204, 404]
    assert len(await group.roles()) == 1
