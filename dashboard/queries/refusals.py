"""Which messages refuse an order, or what was asked of it: as `rejects` of `orders` counts them."""

__all__ = ["REFUSALS"]

REFUSALS = """order_messages s join messages m on m.message_id = s.message_id
where s.copied is not true and (m.msg_type in ('9', 'j') or (m.msg_type = '8'
  and coalesce(m.exec_type, m.ord_status) = '8' and coalesce(m.exec_trans_type, '') <> '3'))
  and s.order_key ="""
"""SQL to be ended by an order: `m` are its messages that refuse something."""
