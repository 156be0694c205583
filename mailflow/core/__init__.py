"""Pure nouns: what mailflow speaks of. No I/O, no clock.

English word in the code = the department's word: registration 立项, communication report 客户沟通, complaint 投诉,
withdrawal 撤诉, objection 异议, decision 决定, held item 待确认, leftover problem 遗留问题, case number 编号,
ledger 绩效等级台账, withhold 扣发, demote 永久降级, closing 关账, adjusting entry 调整分录,
first engineer 第一责任售前, second engineer 第二售前, roster 人员名册, register 项目登记, tracking sheet 项目跟踪表.
"""
